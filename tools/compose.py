"""`make up` and `make down`: the platform of docker/compose.yaml on this machine.

Passwords are made once, and kept in .platform/compose.env, which git ignores. `up` builds the
images, starts everything, lands a file, and waits until the shop's gold tables have its rows.
"""

import argparse
import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.config import Config

from data_platform.settings.environment import local_state
from data_platform.storage.waiting import wait
from tools.docker import IMAGES, Docker, DockerError, build, client
from tools.go_programs import COMPOSE
from tools.installing import say
from tools.jars import ROOT
from tools.reporting import reported
from tools.smoke import EXAMPLE, KEY, TABLE

FILE = ROOT / "docker" / "compose.yaml"
TARGETS = ("platform", "postgres", "store", "queue")
NOT_BUILT = "is declared, not built yet"  # what `show` says of such a table
PATIENCE = 300  # seconds, for each of: healthy servers, a file in gold


@dataclass(frozen=True)
class Stack:
    """A compose project: its client, and the variables that compose.yaml needs."""

    docker: Docker
    variables: Mapping[str, str]
    project: str = field(default_factory=lambda: project_of(ROOT))

    def compose(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command of Docker Compose. Raises DockerError if it fails."""
        done = self.ask(*arguments)
        if done.returncode:
            said = (done.stderr or done.stdout)[-4000:]
            raise DockerError(f"docker compose {' '.join(arguments[:4])} failed:\n{said}")
        return done

    def ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command's output and exit code, whatever that is."""
        program, *words = composer(self.docker)
        client = Docker(program, {**self.docker.environment, **self.variables})
        where = ("--project-name", self.project, "--file", str(FILE))
        return client.ask(*words, *where, *arguments)

    @property
    def url(self) -> str:
        """The address of the UI."""
        return f"http://127.0.0.1:{self.variables.get('UI_PORT', '3000')}"

    def up(self) -> None:
        """Build the images and start everything; returns once it is healthy."""
        for target in TARGETS:
            build(self.docker, IMAGES[target])
        self.start()

    def start(self) -> None:
        """Start everything from the images that are there; returns once it is healthy."""
        say("Starting; the first time takes a minute")
        self.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", str(PATIENCE))

    def down(self, *, wipe: bool) -> None:
        """Stop everything; `wipe` deletes the data, too."""
        self.compose("down", *(["--volumes"] if wipe else []))

    def land(self, file: Path, key: str) -> None:
        """Put a file into the landing bucket."""
        store = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.variables.get('STORE_PORT', '9000')}",
            region_name="us-east-1",
            aws_access_key_id=self.variables["STORE_KEY"],
            aws_secret_access_key=self.variables["STORE_SECRET"],
            config=Config(proxies={}),
        )
        store.upload_file(str(file), "landing", key)

    def rows(self, table: str) -> list[dict[str, object]]:
        """The rows of a table; none while it does not exist. Raises DockerError."""
        done = self.ask("exec", "-T", "code-server", "data-platform", "show", table, "--json")
        if done.returncode == 0:
            return json.loads(done.stdout)
        if NOT_BUILT in done.stderr:
            return []
        raise DockerError(f"{table} cannot be shown:\n{done.stderr[-2000:]}")

    def arrives(self, table: str, *, more_than: int = 0) -> list[dict[str, object]]:
        """The rows of a table once it has more than so many. Raises DockerError after a while."""
        found: list[dict[str, object]] = []

        def there() -> bool:
            found[:] = self.rows(table)
            return len(found) > more_than

        if not wait(there, PATIENCE):
            raise DockerError(
                f"{table} has {len(found)} rows after {PATIENCE} s: no landed file has reached it; "
                f"look at the runs at {self.url}"
            )
        return found


def composer(docker: Docker) -> list[str]:
    """The command of Docker Compose: Docker's plugin, else the one that the project has built.

    Raises DockerError if there is neither.
    """
    if docker.ask("compose", "version").returncode == 0:
        return [docker.program, "compose"]
    if COMPOSE.binary.exists():
        return [str(COMPOSE.binary)]
    raise DockerError(
        "Docker has no plugin `compose`: install it (docker-compose-plugin), or build the pinned "
        "one: make docker-tools"
    )


def project_of(checkout: Path) -> str:
    """The compose project of a checkout: another one has volumes and passwords of its own."""
    return f"data-platform-{hashlib.sha256(str(checkout).encode()).hexdigest()[:6]}"


def variables() -> dict[str, str]:
    """The passwords of .platform/compose.env, which is made if it is missing, and the ports."""
    file = local_state() / "compose.env"
    if not file.exists():
        local_state().mkdir(exist_ok=True)
        made = new_passwords()
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.writelines(f"{name}={value}\n" for name, value in made.items())
    pairs = (line.partition("=") for line in file.read_text("utf-8").splitlines() if line)
    ports = {name: os.environ[name] for name in ("UI_PORT", "STORE_PORT") if name in os.environ}
    return {name: value for name, _, value in pairs} | ports


def new_passwords() -> dict[str, str]:
    """A key of the store and a password of PostgreSQL, at random."""
    return {
        "STORE_KEY": f"root{secrets.token_hex(8)}",
        "STORE_SECRET": secrets.token_hex(20),
        "POSTGRES_PASSWORD": secrets.token_hex(16),
    }


def up(stack: Stack) -> None:
    """Everything up, and a file in gold."""
    stack.up()
    say(f"Landing {KEY}")
    stack.land(EXAMPLE, KEY)
    rows = stack.arrives(TABLE)
    say(f"{TABLE} has {json.dumps(rows[0], default=str)}")
    print(f"The UI is at {stack.url}; `make down` stops it and keeps the data.", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up")
    commands.add_parser("down").add_argument("--wipe", action="store_true")
    given = parser.parse_args(arguments)

    def command() -> None:
        stack = Stack(client(), variables())
        if given.command == "up":
            up(stack)
        else:
            stack.down(wipe=given.wipe)

    return reported(command, DockerError)


if __name__ == "__main__":
    sys.exit(main())
