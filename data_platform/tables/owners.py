"""The owner of a table, as Dagster has it: a team or a person."""

import re


def owner_problem(owner: str) -> str | None:
    """Why a text is no owner, or None."""
    if re.fullmatch(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+", owner):
        return None
    team = re.sub(r"\W+", "_", owner.removeprefix("team:")).strip("_").lower() or "NAME"
    return (
        f"owner {owner!r} is neither a team (team:NAME) nor an e-mail address; did you mean "
        f"'team:{team}'?"
    )


def checked_owner(owner: str, table: str) -> str:
    """The owner of a table. Raises ValueError for a text that is none."""
    if problem := owner_problem(owner):
        raise ValueError(f"{table}: {problem}")
    return owner
