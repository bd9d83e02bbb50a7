"""`data-platform doctor`: whether the platform can run here."""

from dataclasses import asdict

import click

from data_platform.cli import printing as out
from data_platform.cli.options import JSON, declarations
from data_platform.cli.reporting import reporting
from data_platform.contracts.errors import DeclarationError
from data_platform.settings.environment import settings_from_env
from data_platform.settings.values import SettingsError
from data_platform.telemetry.wording import counted


@click.command()
@JSON
@reporting
def doctor(as_json: bool) -> None:
    """Check settings, packages, the engine, disk, permissions, stores, queue, databases, clocks,
    locks and declarations.

    Each line says ok, warn or WRONG; the last two come with what to do. Fails where any is wrong.
    """
    found = list(_examined())
    if as_json:
        out.as_json([{**asdict(each), "ok": each.ok} for each in found])
    else:
        for each in found:
            label = "WRONG" if not each.ok else "warn" if each.warning else "ok"
            out.paragraph(f"{label:<5} {each.what}: {each.said}")
            if each.way_out:
                out.paragraph(f"      {each.way_out}")
    if wrong := sum(not each.ok for each in found):
        raise click.ClickException(f"{counted(wrong, 'problem')}, see above")


def _examined():
    from data_platform.operations.doctor import examine
    from data_platform.operations.examined import Examined

    try:
        settings = settings_from_env()
    except SettingsError as error:
        yield Examined("settings", str(error), "correct it; `data-platform settings` lists all")
        return
    tables = ()
    try:
        tables, _ = declarations()
    except (DeclarationError, SettingsError) as error:
        declared = Examined("declarations", str(error), "correct the declaration or setting")
    else:
        declared = Examined("declarations", f"{counted(len(tables), 'table')} loaded")
    yield from examine(settings, [table.id for table in tables])
    yield declared
