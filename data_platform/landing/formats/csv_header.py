"""Explain briefly how a header line differs from the declared columns."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from data_platform.tables.nearest import nearest

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", ":": "colons"}
_SHOWN = 5
_ALIKE = 0.75  # of two names, as a ratio of what they share
_VALUE = re.compile(r"[-+]?\d[\d.,:/TZ+-]*")


def difference(columns: Sequence[str], header: Sequence[str], text: str, delimiter: str) -> str:
    """What is wrong with `header`, the fields of the line `text`, and how to fix it. A line that
    may be a row of data is not quoted: this is logged."""
    if other := _other_delimiter(columns, text, delimiter):
        return (
            f"wrong header: its columns are separated by {_DELIMITERS[other]}; declare "
            f"Csv(delimiter={other!r})"
        )
    missing = [name for name in columns if name not in header]
    unexpected = [name for name in header if name not in columns]
    if len(missing) == len(columns) and any(_VALUE.fullmatch(name.strip()) for name in header):
        return (
            f"wrong header: none of the {len(columns)} columns is in the first line, which looks "
            "like a row of data; the header line is missing"
        )
    said = []
    for name in list(unexpected):
        if (meant := _meant(name, missing)) is not None:
            missing.remove(meant)
            unexpected.remove(name)
            said.append(f"{name!r} for {meant!r}{_how(name, meant)}")
    if not said and len(missing) == len(columns):
        return (
            f"wrong header: none of the {len(columns)} columns is in the first line, which has "
            f"{len(header)} fields and may be a row of data; "
            f"{_listed('missing ', _quoted(missing))}"
        )
    said = [_listed("", said)] if said else []
    repeated = [name for name, count in Counter(header).items() if count > 1 and name in columns]
    for what, names in {"missing": missing, "unexpected": unexpected, "twice": repeated}.items():
        if names:
            said.append(_listed(f"{what} ", _quoted(names)))
    if not said:  # the names are right
        said = [f"its quotes are malformed: {_short(text)}"]
    return f"wrong header: {'; '.join(said)} (the order of the columns is free)"


def _other_delimiter(columns: Sequence[str], text: str, delimiter: str) -> str | None:
    """The delimiter with which more of the declared columns would be found in the line."""

    def known(delimiter: str) -> int:
        names = {name.strip().strip('"').casefold() for name in text.split(delimiter)}
        return len(names & {name.casefold() for name in columns})

    best = max(_DELIMITERS, key=known)
    return best if best != delimiter and known(best) > max(1, known(delimiter)) else None


def _meant(name: str, missing: Collection[str]) -> str | None:
    plain = {_plain(each): each for each in missing}
    near = nearest(_plain(name), plain, cutoff=_ALIKE)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _how(name: str, meant: str) -> str:
    if name.strip() == meant.strip():
        return " (blanks)"
    if name.casefold() == meant.casefold():
        return " (upper and lower case)"
    return "" if _plain(name) == _plain(meant) else " (misspelt?)"


def _quoted(names: Iterable[str]) -> list[str]:
    return [repr(name[:60]) for name in names]


def _listed(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return what + ", ".join(names[:_SHOWN]) + more


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:99] + "…")
