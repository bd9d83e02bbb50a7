"""PostgreSQL for tests and benchmarks: a real server for one caller, as in `tools.servers`."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.servers import NotInstalled, NotStarted, identity, launch, running
from tools.services import postgres_home


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A PostgreSQL server with a database `postgres` and a superuser with a password.

    `url` contains no password: libpq takes it from PGPASSWORD.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    data: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def url(self) -> str:
        """The URL of the database `postgres`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether the postmaster's file names our process and says that it accepts connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) == 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"


@contextmanager
def postgres(directory: Path, *, host: str = "127.0.0.1") -> Iterator[Postgres]:
    """PostgreSQL over TCP only, without fsync: only a crash of the machine can damage it.

    At another `host`, every address with the password is let in.

    PostgreSQL refuses to run as root; it then runs as nobody, in a directory outside `directory`.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    with _of_someone_else_than_root(directory) as (root, home, owner):
        data, log = root / "data", directory / "server.log"
        user, password = "platform", secrets.token_urlsafe(16)
        _make_cluster(home, data, user, password, owner)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")

        def start(port: int) -> Postgres:
            quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
            process = launch(
                [
                    *(str(home / "bin" / "postgres"), "-D", str(data), "-k", ""),
                    *("-h", host, "-p", str(port)),
                    *(argument for setting in quick for argument in ("-c", setting)),
                ],
                log=log,
                env={},
                owner=owner,
            )
            return Postgres(
                host=host,
                port=port,
                user=user,
                password=password,
                data=data,
                process=process,
            )

        with running(start, log) as server:
            yield server


def _make_cluster(home: Path, data: Path, user: str, password: str, owner: str | None) -> None:
    with tempfile.NamedTemporaryFile("w", dir=data.parent) as file:
        file.write(password)
        file.flush()
        if owner:
            shutil.chown(file.name, owner)
        made = subprocess.run(
            [
                *(str(home / "bin" / "initdb"), "-D", str(data), "-U", user),
                *(f"--pwfile={file.name}", "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            **identity(owner),
        )
    if made.returncode:
        raise NotStarted(f"initdb failed:\n{made.stderr}")


@contextmanager
def _of_someone_else_than_root(directory: Path) -> Iterator[tuple[Path, Path, str | None]]:
    """The data directory, PostgreSQL's directory, and the user to run it as (None for ours)."""
    home = postgres_home()
    if not (home / "bin" / "postgres").exists():
        raise NotInstalled("PostgreSQL is not installed: run `make services`")
    if os.geteuid():
        yield directory, home, None
        return
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        # Other users have no access to a checkout below /root, or to pytest's directories.
        root = Path(name)
        shutil.chown(root, "nobody")
        if not _can_be_entered_by_others(home):
            home = Path(shutil.copytree(home, root / "postgres", symlinks=True))
        yield root, home, "nobody"


def _can_be_entered_by_others(directory: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in (directory, *directory.parents))
