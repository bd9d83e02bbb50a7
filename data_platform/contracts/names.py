"""Names: how Spark tells columns apart and is told one, and what a rule's check is called."""

from collections import Counter
from collections.abc import Iterable


def quoted(name: str) -> str:
    """A name as Spark reads it in an expression: as one name, whatever characters it has."""
    return f"`{name.replace('`', '``')}`"


def folded(name: str) -> str:
    """The same text for all names that Spark resolves alike.

    Spark asks Java's `equalsIgnoreCase`, which goes character by character and through upper
    case: so the Turkish i without a dot, and the I with one, are an `i` to it.
    """
    return "".join(map(_folded, name))


def _folded(letter: str) -> str:
    upper = letter.upper()
    # Where a mapping gives several characters, as for ß, Java's of one character gives itself ...
    lower = (upper if len(upper) == 1 else letter).lower()
    return lower[0]  # ... but for İ, which is an i with a dot


def indistinct(names: Iterable[str]) -> list[str]:
    """Those that Spark takes for another of them, in their order.

    Files and schemas are compared by their names in lower case, columns in a query otherwise.
    """
    names = list(names)
    counts = {form: Counter(map(form, names)) for form in (folded, str.lower)}
    return [name for name in names if any(count[form(name)] > 1 for form, count in counts.items())]


def check_name(rule: str) -> str:
    """The name of a rule's asset check, which has no dots."""
    return rule.replace(".", "__")
