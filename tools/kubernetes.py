"""A Kubernetes on this machine: a control plane and a node, in a network namespace of their own.

`make kubernetes` builds its programs. What runs in it reaches this machine at `Kubernetes.gateway`.
It ends with its block, or with this process, even if that is killed; mounts are of a namespace that
ends with it, and only its cgroups and data are removed afterwards.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_platform.storage.waiting import wait
from tools import kubernetes_programs as programs
from tools.hosts import Host, NotPossible, ip, make_host
from tools.kubernetes_credentials import config_of, write_credentials
from tools.kubernetes_images import archive
from tools.kubernetes_node import containerd, coredns, kubelet, network, proxy
from tools.servers import NotInstalled, NotStarted, launch

PATIENCE = 180  # seconds for a part to start, on a busy machine
_LOCK = Path("/run/data-platform-kubernetes.lock")
SOCKET = "/run/containerd/containerd.sock"
PAUSE = "docker.io/local/pause:1"
SERVICES = "10.96.0.0/16"
FIRST_SERVICE = "10.96.0.1"  # the API server's own

# The node's own directories, where the kubelet and containerd expect them; and what the kubelet
# wants of the kernel, which it only reads here.
_MOUNTS = """
mkdir -p /run/containerd && mount -t tmpfs none /run/containerd
mount --make-private /run/netns && mount -t tmpfs none /run/netns
cd "$1"
for at in /var/lib/kubelet /var/log/pods /var/log/containers /etc/cni/net.d /var/lib/cni; do
    mkdir -p "$at" "mounts$at" && mount --bind "mounts$at" "$at"
done
for is in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
    file=mounts/$(basename "${is%=*}"); echo "${is#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${is%=*}"
done
touch mounted
exec sleep infinity
"""


@dataclass
class Kubernetes:
    """A running cluster of one node."""

    number: int
    host: Host
    directory: Path
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict, repr=False)

    @property
    def gateway(self) -> str:
        """This machine's address, as pods reach it."""
        return f"10.{self.number}.0.1"

    @property
    def address(self) -> str:
        """The node's address, where the API server is, too."""
        return self.host.address

    @property
    def pods(self) -> str:
        """The addresses of pods."""
        return f"10.{self.number + 100}.0.0/24"

    @property
    def kubeconfig(self) -> Path:
        """The configuration of clients that may do anything."""
        return self._config("admin")

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """The output of `kubectl`. Raises NotStarted with its errors if it fails."""
        return self.run("kubectl", *arguments, given=given)

    def run(self, program: str, *arguments: str, given: str = "") -> str:
        """The output of a client of the cluster. Raises NotStarted with its errors if it fails."""
        env = {**programs.environment(), "KUBECONFIG": str(self.kubeconfig), "HOME": "/nonexistent"}
        done = subprocess.run(
            [shutil.which(program, path=env["PATH"]) or program, *arguments],
            env=env,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotStarted(f"{program} {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def load(self, image: Path) -> None:
        """Give the node an image, from what `docker save` wrote."""
        self._ctr("images", "import", "--no-unpack", str(image))

    def tag(self, image: str, name: str) -> None:
        """Give an image of the node another name, which another image loses."""
        self._ctr("images", "tag", "--force", image, name)

    def kill(self, name: str) -> None:
        """Kill one of the processes, as a crash would."""
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def start_kubelet(self) -> None:
        """Start the kubelet, or restart it after a kill."""
        options = [f"--config={self.directory / 'kubelet.yaml'}", "--hostname-override=node"]
        self._start_inside(
            "kubelet",
            *options,
            f"--kubeconfig={self._config('system:node:node')}",
            f"--node-ip={self.address}",
            f"--cert-dir={self.directory / 'kubelet-pki'}",
        )

    # --- how it is started ----------------------------------------------------------------

    def start(self) -> None:
        """Start everything. Raises NotStarted with the end of a log."""
        write_credentials(self.directory, self.address, [self.address, FIRST_SERVICE])
        self._start_control_plane()
        self._start_node()

    def _start_control_plane(self) -> None:
        etcd = "http://127.0.0.1:2379"
        peers = "http://127.0.0.1:2380"
        self._start(
            *("etcd", "--data-dir", str(self.directory / "etcd"), "--unsafe-no-fsync"),
            *("--listen-client-urls", etcd, "--advertise-client-urls", etcd),
            *("--listen-peer-urls", peers),
        )
        key = self.directory / "accounts.key"
        self._start(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--advertise-address={self.address}",
            f"--tls-cert-file={self.directory / 'server.crt'}",
            f"--tls-private-key-file={self.directory / 'server.key'}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
        )
        self._until("kube-apiserver", lambda: self.kubectl("get", "--raw", "/readyz") == "ok")
        self._start(
            "kube-controller-manager",
            *self._as("system:kube-controller-manager"),
            f"--service-account-private-key-file={key}",
            f"--root-ca-file={self.directory / 'server.crt'}",
            "--use-service-account-credentials=true",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={self.pods}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.directory / 'manager-pki'}",
        )
        self._start(
            "kube-scheduler",
            *self._as("system:kube-scheduler"),
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.directory / 'scheduler-pki'}",
        )

    def _start_node(self) -> None:
        enter = ["nsenter", f"--net=/run/netns/{self.host.namespace}"]
        private = ["unshare", "--mount", "--propagation", "shared"]
        self._launch("mounts", [*enter, *private, "sh", "-euc", _MOUNTS, "sh", str(self.directory)])
        self._until("mounts", (self.directory / "mounted").exists)
        for name, content in self._node_files().items():
            (self.directory / name).write_text(content)
        self._start_inside("containerd", "--config", str(self.directory / "containerd.toml"))
        self._until("containerd", lambda: bool(self._ctr("version")))
        pause = programs.home() / "bin" / "pause"
        with tempfile.NamedTemporaryFile(dir=self.directory, suffix=".tar") as image:
            archive(PAUSE, {"pause": pause}, ["/pause"], Path(image.name))
            self._ctr("images", "import", image.name)
        self.start_kubelet()
        self._start_inside("kube-proxy", "--config", str(self.directory / "proxy.yaml"))
        self._start_inside("coredns", "-conf", str(self.directory / "Corefile"))
        ready = ["wait", "--for=condition=Ready", "node/node", "--timeout=5s"]
        self._until("kubelet", lambda: bool(self.kubectl(*ready)))

    def _as(self, user: str) -> list[str]:
        config = self._config(user)
        names = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        return ["--leader-elect=false", *(f"--{name}={config}" for name in names)]

    def _config(self, user: str) -> Path:
        return config_of(self.directory, user)

    def _start(self, program: str, *arguments: str) -> None:
        enter = ["nsenter", f"--net=/run/netns/{self.host.namespace}"]
        self._launch(program, [*enter, program, *arguments])

    def _start_inside(self, program: str, *arguments: str) -> None:
        self._launch(program, [*self._inside(), program, *arguments])

    def _inside(self) -> list[str]:
        """Where the node's directories are mounted. `ip netns exec` would mount /sys anew."""
        mounts = f"--mount=/proc/{self._processes['mounts'].pid}/ns/mnt"
        return ["nsenter", mounts, f"--net=/run/netns/{self.host.namespace}"]

    def _launch(self, name: str, command: Sequence[str]) -> None:
        log = self.directory / f"{name}.log"
        process = launch(command, log=log, env=programs.environment())
        self._processes[name] = process
        if name == "mounts":
            self.host.process = process

    def _ctr(self, *arguments: str) -> str:
        command = [*self._inside(), "ctr", "--address", SOCKET, "-n", "k8s.io", *arguments]
        env = programs.environment()
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotStarted(f"ctr {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def _until(self, name: str, ready: Any) -> None:
        def is_ready() -> bool:
            with suppress(NotStarted):
                return ready()
            return False

        process = self._processes[name]
        if not wait(lambda: process.poll() is not None or is_ready(), PATIENCE) or (
            process.poll() is not None
        ):
            log = (self.directory / f"{name}.log").read_text("utf-8", "replace")
            raise NotStarted(f"{name} did not start:\n{log[-3000:]}")

    def _node_files(self) -> dict[str, str]:
        """The configuration of the node's parts, by file."""
        debian = programs.home() / "debian" / "usr"
        return {
            "mounts/etc/cni/net.d/10-pods.conflist": network(self.pods),
            "containerd.toml": containerd(self.directory, debian, PAUSE),
            "kubelet.yaml": kubelet(self.address, SOCKET),
            "proxy.yaml": proxy(self._config("system:kube-proxy"), self.pods),
            "Corefile": coredns(self.kubeconfig),
        }


@contextmanager
def kubernetes(number: int) -> Iterator[Kubernetes]:
    """A cluster on the network of `hosts.network()`, until the block ends.

    Raises NotInstalled, and NotPossible while another process has one: the cgroups of pods are the
    machine's.
    """
    if not programs.installed():
        raise NotInstalled("Kubernetes is not built: run `make kubernetes`")
    temporary = tempfile.TemporaryDirectory(prefix="kubernetes-", ignore_cleanup_errors=True)
    with _alone(), temporary as name:
        directory = Path(name)
        directory.chmod(0o755)
        host = make_host(number, 2, "node", directory)
        made = Kubernetes(number, host, directory)
        ip("-n", host.namespace, "route", "add", "default", "via", made.gateway)
        ip("route", "add", made.pods, "via", made.address)
        try:
            made.start()
            yield made
        finally:
            host.kill()
            _kill_pods()


@contextmanager
def _alone() -> Iterator[None]:
    """Be the only one; pods that a killed process left are killed."""
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotPossible("another process on this machine has a Kubernetes") from error
        _kill_pods()
        yield


def _kill_pods() -> None:
    """Kill what is left in the cgroups of pods, and remove these."""
    roots = list(Path("/sys/fs/cgroup").glob("*/kubepods"))
    for root in roots:
        for file in root.rglob("cgroup.procs"):
            for pid in file.read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
    wait(lambda: not any(f.read_text() for r in roots for f in r.rglob("cgroup.procs")), 10)
    for root in roots:
        for group in sorted((p for p in root.rglob("*") if p.is_dir()), reverse=True):
            with suppress(OSError):
                group.rmdir()
        with suppress(OSError):
            root.rmdir()
