"""Column names as Spark quotes and compares them, and the names of rules' asset checks."""

from collections import Counter
from collections.abc import Iterable


def quoted(name: str) -> str:
    """The name quoted for a Spark expression, whatever characters it has."""
    return f"`{name.replace('`', '``')}`"


def folded(name: str) -> str:
    """The same text for all names that Spark takes for equal.

    Spark uses Java's `equalsIgnoreCase`, which compares character by character, by upper case and
    then lower case: so the Turkish dotless i and dotted I both equal `i`.
    """
    return "".join(map(_folded, name))


def _folded(letter: str) -> str:
    upper = letter.upper()
    # Java maps single characters: where the full mapping has several, as for ß, it is unchanged ...
    lower = (upper if len(upper) == 1 else letter).lower()
    return lower[0]  # ... except for İ, which becomes i


def indistinct(names: Iterable[str]) -> list[str]:
    """The names that Spark takes for equal to another of them, in their order.

    Files and schemas compare names in lower case, queries compare them as `folded` does.
    """
    names = list(names)
    counts = {form: Counter(map(form, names)) for form in (folded, str.lower)}
    return [name for name in names if any(count[form(name)] > 1 for form, count in counts.items())]


def check_name(rule: str) -> str:
    """The name of a rule's asset check, which has no dots."""
    return rule.replace(".", "__")
