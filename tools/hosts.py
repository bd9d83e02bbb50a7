"""Simulated hosts on this machine, each with its own address: network namespaces on a bridge.

Their processes share this machine's kernel and files, but not its loopback address. Namespaces
need root and iproute2.
"""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tools.servers import NotInstalled

_LOCKS = "/run"  # only root writes there; in /tmp another user could put a link in a file's place
_NETWORKS = range(77, 97)  # 10.77.0.0/24 and following: one for each process that has hosts


class NotPossible(Exception):
    """Network namespaces are not available here, or not to this user; the message says why."""


@dataclass
class Host:
    """A host: its namespace, its address and its main process."""

    name: str
    namespace: str
    address: str
    directory: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def pids(self) -> list[int]:
        """The ids of all its processes."""
        return [int(pid) for pid in ip("netns", "pids", self.namespace).split()]

    def kill(self, pids: Sequence[int] | None = None) -> None:
        """Kill these of its processes, or all of them, as a crash would."""
        for pid in self.pids if pids is None else pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if pids is None and self.process:
            self.process.wait()

    def cut_off(self) -> None:
        """Take its link down: connections to it time out, and are not refused."""
        ip("-n", self.namespace, "link", "set", "eth0", "down")

    def reconnect(self) -> None:
        """Bring its link up."""
        ip("-n", self.namespace, "link", "set", "eth0", "up")

    def executors(self) -> list[int]:
        """The ids of the processes of Spark's executors."""
        return [pid for pid in self.pids if b"CoarseGrainedExecutorBackend" in _command_of(pid)]


@contextmanager
def network() -> Iterator[int]:
    """A network 10.N.0.0/24 for this process; yields N.

    Raises NotPossible if it cannot be created, NotInstalled without iproute2.
    """
    if os.geteuid():
        raise NotPossible("only root can create network namespaces")
    if not shutil.which("ip"):
        raise NotInstalled("`ip` is not installed: run `apt-get install iproute2`")
    number, lock = _claimed()
    with lock:
        try:
            ip("link", "add", f"dp{number}", "type", "bridge")
            ip("address", "add", f"10.{number}.0.1/24", "dev", f"dp{number}")
            ip("link", "set", f"dp{number}", "up")
            _let_pass(number)
            yield number
        finally:
            _remove(number)


def make_host(number: int, last: int, name: str, directory: Path) -> Host:
    """Create the host 10.N.0.`last` on the network N, with its own directory in `directory`."""
    namespace, address = f"dp{number}-{last}", f"10.{number}.0.{last}"
    ip("netns", "add", namespace)
    ip(*f"link add {namespace} type veth peer name eth0 netns {namespace}".split())
    ip("link", "set", namespace, "master", f"dp{number}", "up")
    ip("-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
    for link in ("lo", "eth0"):
        ip("-n", namespace, "link", "set", link, "up")
    (directory / name).mkdir()
    return Host(name, namespace, address, directory / name)


def _claimed() -> tuple[int, IO[str]]:
    """Claim a network: its number, and the lock on it. Networks left by killed processes are
    removed."""
    claimed: tuple[int, IO[str]] | None = None
    for number in _NETWORKS:
        path = Path(_LOCKS, f"data-platform-network-{number}.lock")
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process uses it
            lock.close()
            continue
        _remove(number)
        if claimed:
            lock.close()
        claimed = claimed or (number, lock)
    if claimed is None:
        raise NotPossible(f"all {len(_NETWORKS)} networks are in use")
    return claimed


def _remove(number: int) -> None:
    """Remove a network: its hosts, with their processes, and its bridge."""
    for line in ip("netns", "list").splitlines():
        if line.startswith(f"dp{number}-"):
            host = Host("", line.split()[0], "", Path())
            host.kill()
            ip("netns", "delete", host.namespace)
    with suppress(NotPossible):  # usually there is none
        ip("link", "delete", f"dp{number}")
    while _is_filtered() and _iptables("-D", number):
        pass


def _let_pass(number: int) -> None:
    """Let hosts of a network reach each other where Docker has been started: it has the system
    drop what is forwarded, frames on a bridge included."""
    if _is_filtered() and not _iptables("-I", number):
        raise NotPossible("iptables refuses a rule for the bridge of the hosts")


def _is_filtered() -> bool:
    """Whether iptables filters the frames on bridges."""
    setting = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    on = setting.is_file() and setting.read_text().strip() == "1"
    return on and shutil.which("iptables") is not None


def _iptables(action: str, number: int) -> bool:
    bridge = f"dp{number}"
    rule = ["FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT"]
    ended = subprocess.run(["iptables", "-w", action, *rule], capture_output=True, check=False)
    return ended.returncode == 0


def ip(*arguments: str) -> str:
    """The output of `ip`. Raises NotPossible with its error message if it fails."""
    ended = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NotPossible(f"`ip {' '.join(arguments)}` failed: {ended.stderr.strip()}")
    return ended.stdout


def _command_of(pid: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
