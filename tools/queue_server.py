"""An SQS server for tests and benchmarks: ElasticMQ, started like those in `tools.servers`.

It implements visibility timeouts, receive counts and redrive policies as SQS does, and keeps
messages in memory only. `make services` installs it; it needs Java.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools.jars import CACHE
from tools.servers import REGION, NotInstalled, launch, listens, running

JARS = CACHE / "elasticmq"
MAIN = "org.elasticmq.server.Main"

_CONFIGURATION = """
include classpath("application.conf")
node-address {{ protocol = http, host = "127.0.0.1", port = {port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-hostname = "127.0.0.1", bind-port = {port}, sqs-limits = strict }}
rest-stats.enabled = false
aws {{ region = {region}, accountId = 000000000000 }}
"""


@dataclass(frozen=True, kw_only=True)
class QueueServer:
    """An SQS API at `endpoint`; it accepts any credentials."""

    port: int
    region: str = REGION
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The URL of the API."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, config: Config | None = None) -> Any:
        """A boto3 client."""
        reached = Config(proxies={})  # the environment's proxy cannot reach this machine
        return boto3.client(
            "sqs",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=reached.merge(config) if config else reached,
        )

    def answers(self) -> bool:
        """Whether it responds, and is our process."""
        if not listens(self.process, self.port):
            return False
        once = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        try:
            self.client(once).list_queues()
        except (BotoCoreError, ClientError):  # not yet
            return False
        return True


@contextmanager
def elasticmq(directory: Path) -> Iterator[QueueServer]:
    """ElasticMQ with its log in `directory`."""
    root = directory.absolute()
    root.mkdir(parents=True, exist_ok=True)
    if not any(JARS.glob("elasticmq-server*.jar")):
        raise NotInstalled("ElasticMQ is not installed: run `make services`")
    java, log = _java(), root / "server.log"

    def start(port: int) -> QueueServer:
        configuration = root / "elasticmq.conf"
        configuration.write_text(_CONFIGURATION.format(port=port, region=REGION))
        process = launch(
            [
                *(java, "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                "-Djava.net.preferIPv4Stack=true",
                *(f"-Dconfig.file={configuration}", "-cp", f"{JARS}/*", MAIN),
            ],
            log=log,
            env={},
        )
        return QueueServer(port=port, process=process)

    with running(start, log) as server:
        yield server


def _java() -> str:
    """The java program of the environment, else of JAVA_HOME, else the one on the PATH."""
    for home in (Path(sys.prefix) / "java", Path(os.environ.get("JAVA_HOME") or "/nonexistent")):
        if (home / "bin" / "java").exists():
            return str(home / "bin" / "java")
    if found := shutil.which("java"):
        return found
    raise NotInstalled("ElasticMQ needs Java: run `make env`, or set JAVA_HOME")
