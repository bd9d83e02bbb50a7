"""What `doctor` finds of one thing that the platform needs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Examined:
    """One thing that the platform needs; `way_out` is empty if nothing has to be done. With a
    `warning` the platform works, but perhaps not as intended."""

    what: str
    said: str
    way_out: str = ""
    warning: bool = False

    @property
    def ok(self) -> bool:
        return self.warning or not self.way_out
