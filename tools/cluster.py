"""A Spark standalone cluster on this machine, each of whose hosts has its own address.

Processes on the hosts (`tools.hosts`) run a Python with this environment's libraries but without
the platform (`Cluster.python`), and cannot see the directories of the platform's code and of the
driver. The driver and the servers run outside, at `Cluster.gateway`.

`python -m tools.cluster` runs a cluster and an S3 store until Ctrl-C, and prints the environment
variables that a driver needs to use them.
"""

import json
import os
import signal
import sys
import tempfile
import urllib.request
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import pyspark

from data_platform.engine.java import chosen_java
from data_platform.settings.model import CHECKOUT
from data_platform.storage.waiting import wait
from tools.hosts import Host, make_host, network
from tools.servers import NotInstalled, NotStarted, launch, versitygw

PATIENCE = 90  # seconds for the cluster to start, on a busy machine
PORT = 7077
WEB_PORT = 8080

# Only a namespace's process and its children see what is mounted in it.
_HIDING = 'while [ "$1" != -- ]; do mount -t tmpfs none "$1" || exit; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Cluster:
    """A running cluster: a master and workers, each on its own host."""

    gateway: str  # this machine's address on the bridge, for the driver and servers
    python: Path  # the hosts' Python, without the platform
    master: Host
    workers: tuple[Host, ...]
    _environment: Mapping[str, str] = field(repr=False)
    _hidden: tuple[Path, ...] = field(repr=False)
    _worker: tuple[str, ...] = field(repr=False)

    @property
    def url(self) -> str:
        """The value of DATA_PLATFORM_SPARK for this cluster."""
        return f"spark://{self.master.address}:{PORT}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a driver of this cluster."""
        return {
            "DATA_PLATFORM_SPARK": self.url,
            "PYSPARK_PYTHON": str(self.python),
            "SPARK_LOCAL_IP": self.gateway,
        }

    def state(self) -> dict:
        """The cluster's state as the master's web page reports it; empty if it does not answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.master.address}:{WEB_PORT}/json/", timeout=5) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return {}

    def start_master(self) -> None:
        """Start the master, or restart it after a kill. It does not remember applications."""
        command = ["org.apache.spark.deploy.master.Master", "-h", self.master.address]
        ports = ["-p", str(PORT), "--webui-port", str(WEB_PORT)]
        self._start(self.master, [*command, *ports])

    def start_worker(self, host: Host) -> None:
        """Start a worker, or restart it after a kill."""
        command = ["org.apache.spark.deploy.worker.Worker", "-h", host.address, *self._worker]
        self._start(host, [*command, "-d", str(host.directory), self.url])

    def wait_for_workers(self) -> None:
        """Wait until all workers have registered and no application uses them. Raises NotStarted if
        that takes too long."""

        def free() -> bool:
            state = self.state()
            alive = state.get("aliveworkers") == len(self.workers)
            return alive and not state["coresused"] and not state["activeapps"]

        if not wait(free, PATIENCE):
            raise NotStarted(f"not all workers of the cluster are free:\n{self.logs()}")

    def repair(self) -> None:
        """Reconnect hosts, restart what was killed, and wait until all workers are free. Workers
        are restarted with the master, since they would take long to find a new one."""
        for host in (self.master, *self.workers):
            host.reconnect()
        if not self.master.pids:
            for worker in self.workers:
                worker.kill()
            self.start_master()
        for worker in self.workers:
            if not worker.pids:
                self.start_worker(worker)
        self.wait_for_workers()

    def logs(self) -> str:
        """The end of each host's log."""
        logs = ((host.name, host.directory / "log.txt") for host in (self.master, *self.workers))
        return "\n".join(
            f"--- {name}\n{log.read_text('utf-8', 'replace')[-2000:]}"
            for name, log in logs
            if log.exists()
        )

    def _start(self, host: Host, command: Sequence[str]) -> None:
        spark = Path(pyspark.__file__).parent
        hidden = [str(path) for path in self._hidden if path.exists()]
        host.process = launch(
            [
                *("ip", "netns", "exec", host.namespace),
                *("/bin/sh", "-c", _HIDING, "sh", *hidden, "--"),
                *(str(spark / "bin/spark-class"), *command),
            ],
            log=host.directory / "log.txt",
            env={
                "PATH": f"{self.python.parent}:{os.defpath}:/usr/sbin:/sbin",
                "HOME": "/nonexistent",
                "JAVA_HOME": str(chosen_java()),
                "SPARK_HOME": str(spark),
                "SPARK_LOCAL_IP": host.address,
                "SPARK_LOCAL_DIRS": str(host.directory),
                "SPARK_DAEMON_MEMORY": "256m",
                "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
                **self._environment,
            },
        )


@contextmanager
def cluster(
    number: int,
    *,
    workers: int = 2,
    cores: int = 1,
    memory: str = "1g",
    environment: Mapping[str, str] | None = None,
    hidden: Sequence[Path] = (),
) -> Iterator[Cluster]:
    """A cluster on the network of `network()`, until the block ends.

    `cores` and `memory` are what each worker offers to executors. `environment` are variables of
    the hosts (a store's credentials); `hidden` are directories that they cannot see, in addition to
    the platform's code.
    """
    if chosen_java() is None:
        raise NotInstalled("there is no Java 17 or 21 for Spark")
    packages = (CHECKOUT / name for name in ("data_platform", "data_platform_tests", "benchmarks"))
    with tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        hosts = [make_host(number, 10, "master", directory)]
        hosts += [make_host(number, 11 + n, f"worker{n + 1}", directory) for n in range(workers)]
        made = Cluster(
            gateway=f"10.{number}.0.1",
            python=python_without_the_platform(directory / "python"),
            master=hosts[0],
            workers=tuple(hosts[1:]),
            _environment=environment or {},
            _hidden=(*packages, CHECKOUT / ".cache", *hidden),
            _worker=("-c", str(cores), "-m", memory),
        )
        try:
            made.start_master()
            for worker in made.workers:
                made.start_worker(worker)
            made.wait_for_workers()
            yield made
        finally:
            for host in hosts:
                host.kill()


def python_without_the_platform(directory: Path) -> Path:
    """A Python with this environment's libraries, as in the image of a cluster. This environment's
    `.pth` files, which put the checkout on the path, have no effect in it."""
    venv.create(directory, symlinks=True, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = Path("lib") / version / "site-packages"
    (directory / libraries / "libraries.pth").write_text(f"{Path(sys.prefix) / libraries}\n")
    return directory / "bin" / "python"


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        number = stack.enter_context(network())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(versitygw(directory, host=f"10.{number}.0.1"))
        made = stack.enter_context(cluster(number, environment=store.key.environment))
        variables = {
            **made.environment,
            **store.key.environment,
            "DATA_PLATFORM_AWS_ENDPOINT": store.endpoint,
            "DATA_PLATFORM_AWS_REGION": store.region,
        }
        for name, value in variables.items():
            print(f"export {name}={quote(value)}")
        print("# The cluster runs until Ctrl-C.", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
