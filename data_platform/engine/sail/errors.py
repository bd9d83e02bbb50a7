"""What Sail's error messages say."""

import re

_MISSING = re.compile(r"attribute ObjectName\(\[(.*?)\]\) is missing from the schema")
_NAME = re.compile(r'Identifier\("([^"]+)"\)')


def missing_column(text: str) -> str | None:
    """The column that an expression uses and its input lacks, if the message says so."""
    found = _MISSING.search(text)
    return ".".join(_NAME.findall(found[1])) if found else None
