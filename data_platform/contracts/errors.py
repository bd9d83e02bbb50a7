"""Errors of declarations: what cannot be enforced is refused when it is defined."""


class ContractError(ValueError):
    """A declaration that is contradictory, or that the platform could not enforce.

    The message names the contract's table, the column and the check, then what to do about it.
    """

    def __init__(
        self, problem: str, *, table: str, column: str | None = None, check: str | None = None
    ) -> None:
        self.table = table
        self.column = column
        self.check = check
        parts = {"contract": table, "column": column, "check": check}
        where = ", ".join(f"{kind} {name}" for kind, name in parts.items() if name)
        super().__init__(f"{where}: {problem}")


class DeclarationError(Exception):
    """A table's declaration is invalid; the message says where and why."""
