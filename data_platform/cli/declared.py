"""The declared tables, as commands ask for them: imported when they do, since it takes its time."""


def declared_tables():
    """The tables and the ordinary assets. Raises DeclarationError if a declaration is invalid."""
    from data_platform.definitions import declared
    from data_platform.platform_defs.wrong_declarations import wrong_declarations_placed

    with wrong_declarations_placed():
        found = declared()
    return found.tables, found.others


def declarations_checked():
    """The tables and Dagster's definitions of them, which are more strict. Raises
    DeclarationError likewise."""
    from data_platform.definitions import defs

    tables, _ = declared_tables()
    return tables, defs()
