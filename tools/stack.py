"""`make stack`: a local S3 store and PostgreSQL server, until Ctrl-C.

The environment variables that it writes to `.platform/stack.env` point the platform at them. Both
start empty, and their data is deleted when they stop.
"""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from signal import SIGTERM, default_int_handler, pause, signal

from data_platform.settings.environment import local_state
from tools.postgres_server import Postgres, postgres
from tools.servers import NotInstalled, NotStarted, S3Server, versitygw

PROJECT = "local-stack"


def environment(store: S3Server, database: Postgres, home: Path) -> dict[str, str]:
    """The environment variables that point the platform at them, including the store's key."""
    return {
        **store.key.environment,
        "AWS_ENDPOINT_URL_S3": store.endpoint,  # for AWS's own tools
        "AWS_REGION": store.region,
        "DATA_PLATFORM_HOME": str(home),
        "DATA_PLATFORM_PROJECT": PROJECT,
        "DATA_PLATFORM_AWS_REGION": store.region,
        "DATA_PLATFORM_AWS_ENDPOINT": store.endpoint,
        "DATA_PLATFORM_LANDING": f"s3://{PROJECT}-raw-landing-local",
        "DATA_PLATFORM_WAREHOUSE": f"s3://{PROJECT}-warehouse-local",
        "DATA_PLATFORM_DATABASE": database.url,
        "DATA_PLATFORM_DATABASE_PASSWORD": database.password,
    }


def make_buckets(store: S3Server) -> None:
    """Create the buckets that the platform needs."""
    client = store.client()
    for purpose in ("raw-landing", "warehouse"):
        client.create_bucket(Bucket=f"{PROJECT}-{purpose}-local")


def main() -> None:
    signal(SIGTERM, default_int_handler)
    local_state().mkdir(exist_ok=True)
    exports = local_state() / "stack.env"
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(versitygw(root / "store"))
        database = stack.enter_context(postgres(root / "database"))
        make_buckets(store)
        lines = [
            f"export {name}={quote(value)}\n"
            for name, value in environment(store, database, root / "home").items()
        ]
        try:
            opened = os.open(exports, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            sys.exit(f"error: {exports} is another stack's; stop that one, or remove the file")
        with open(opened, "w", encoding="utf-8") as file:
            file.writelines(lines)
        stack.callback(exports.unlink, missing_ok=True)
        print(f"An S3 store is at {store.endpoint}, PostgreSQL at {database.url}.")
        print(f"In another terminal:  . {exports}; make demo; make dev", flush=True)
        print("Ctrl-C stops them and deletes their data.", flush=True)
        pause()


if __name__ == "__main__":
    try:
        main()
    except (NotInstalled, NotStarted) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("Stopped.")
