"""The pages of the documentation, and the blocks of code in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data_platform.settings.model import CHECKOUT
from tools.docs import pages

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MODULE = re.compile(r"# data_platform/domains/(\w+/\w+\.py)\n")


@dataclass(frozen=True)
class Block:
    """A block of code: its page, the line where it begins, its language."""

    page: str
    line: int
    language: str
    text: str

    @property
    def module(self) -> str | None:
        """The file that it is the content of, below the domains: `weather/landing.py`."""
        found = _MODULE.match(self.text) if self.language == "python" else None
        return found[1] if found else None


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """Those of one page, in order."""
    text = (CHECKOUT / page).read_text("utf-8")
    return tuple(
        Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in _BLOCK.finditer(text)
    )


def all_blocks() -> Iterator[Block]:
    """Of all pages."""
    for page in pages(CHECKOUT):
        if page.endswith(".md"):
            yield from blocks(page)


def write_modules(folder: Path, *names: str) -> list[Path]:
    """The modules that these pages have for domains, below `folder`."""
    files = []
    for block in (block for name in names for block in blocks(name)):
        if block.module:
            files.append(file := folder / block.module)
            file.parent.mkdir(parents=True, exist_ok=True)
            assert not file.exists(), f"{block.page}:{block.line}: {block.module} is there already"
            file.write_text(block.text, "utf-8")
    return files
