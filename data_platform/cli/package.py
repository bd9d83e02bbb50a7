"""`data-platform package`: what jobs of EMR and Glue need, to be uploaded."""

from pathlib import Path

import click

from data_platform.cli import printing as out
from data_platform.cli.reporting import reporting


@click.command()
@click.option(
    "--out",
    "into",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/packages"),
    show_default=True,
    help="where the package is made",
)
@click.option(
    "--with",
    "also",
    metavar="DIR",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="a project with tables of yours, with its pyproject.toml",
)
@click.option("--python", metavar="X.Y", help="of the service, if not this one")
@click.option(
    "--without-dependencies",
    is_flag=True,
    help="for a service whose image has the locked packages",
)
@reporting
def package(
    into: Path, also: tuple[Path, ...], python: str | None, without_dependencies: bool
) -> None:
    """Make the package with which jobs of EMR Serverless, EMR on EKS and Glue build tables.

    Prints what to upload and the setting that names it. Nothing is sent anywhere.
    """
    import re

    from data_platform.operations.packaging import HERE
    from data_platform.operations.packaging import package as make

    if python and not re.fullmatch(r"3\.\d{1,2}", python):
        raise click.UsageError(f"--python is {python!r}; write it like 3.11")
    made = make(into, also=also, python=python or HERE, dependencies=not without_dependencies)
    name = made.directory.name
    out.paragraph(f"{made.directory}: {len(made.wheels)} wheels. Upload it, for example with")
    click.echo(f"\n  aws s3 cp --recursive {made.directory} s3://BUCKET/packages/{name}\n")
    click.echo("and set")
    click.echo(f"\n  DATA_PLATFORM_REMOTE_PACKAGE=s3://BUCKET/packages/{name}")
