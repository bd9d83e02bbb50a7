"""A home with its files in the buckets of a separate versitygw, and the requests to it."""

import dataclasses
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workload import PREFIX, Workload, remove
from data_platform.runs.home import prepare_home
from data_platform.settings.model import Settings
from tools.servers import S3Server, versitygw

_BUCKET = "bench"


@dataclass(frozen=True)
class StoredHome:
    """`settings` name the store; its key is in the environment while the home is open."""

    settings: Settings
    server: S3Server

    def land(self, files: list[Path]) -> None:
        client = self.server.client()
        for path in files:
            client.upload_file(str(path), _BUCKET, f"landing/{PREFIX}/{path.name}")

    def log(self) -> list[str]:
        """The lines of the store's access log, one per request so far, including failed ones."""
        assert self.server.access_log is not None
        return self.server.access_log.read_text("utf-8").splitlines()


@contextmanager
def stored_home(load: Workload) -> Iterator[StoredHome]:
    """Nothing landed yet. Catalog, ledger and Dagster's state are in a directory."""
    root = Path(tempfile.mkdtemp(dir=load.work, prefix="stored-"))
    with versitygw(root / "store") as server, environment(server.key.environment):
        server.client().create_bucket(Bucket=_BUCKET)
        settings = dataclasses.replace(
            load.settings(root / "home"),
            landing_uri=f"s3://{_BUCKET}/landing",
            warehouse_uri=f"s3://{_BUCKET}/warehouse",
            aws_region=server.region,
            aws_endpoint=server.endpoint,
        )
        prepare_home(settings)
        yield StoredHome(settings, server)
    remove(root)


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets environment variables for the block and restores them afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
