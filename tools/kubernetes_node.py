"""The configuration of a node's parts, as text (`tools.kubernetes` starts them)."""

import json
from pathlib import Path
from typing import Any

import yaml


def network(pods: str) -> str:
    """Of containerd's network plugins: a bridge in the node's namespace."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]})


def containerd(directory: Path, debian: Path, pause: str) -> str:
    """Of containerd. Without CAP_SYS_RESOURCE, as in a container, a score for the OOM killer cannot
    be lowered."""
    return f"""\
version = 2
root = "{directory}/containerd"
state = "/run/containerd/state"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{debian}/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{debian}/bin/runc"
      SystemdCgroup = false
"""


def kubelet(address: str, socket: str) -> str:
    """Of the kubelet: it may be on a machine with version 1 of cgroups, and nearly full."""
    enough = ("nodefs.available", "imagefs.available", "nodefs.inodesFree")
    return _file(
        "kubelet.config.k8s.io/v1beta1",
        "KubeletConfiguration",
        address=address,
        authentication={"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        authorization={"mode": "AlwaysAllow"},
        cgroupDriver="cgroupfs",
        failSwapOn=False,
        failCgroupV1=False,
        oomScoreAdj=0,
        protectKernelDefaults=True,
        containerRuntimeEndpoint=f"unix://{socket}",
        clusterDNS=[address],
        clusterDomain="cluster.local",
        evictionHard={"memory.available": "200Mi", **dict.fromkeys(enough, "1%")},
        imageGCHighThresholdPercent=100,
        imageGCLowThresholdPercent=99,
        readOnlyPort=0,
    )


def proxy(kubeconfig: Path, pods: str) -> str:
    """Of kube-proxy, which leaves this machine's connection tracking as it is."""
    return _file(
        "kubeproxy.config.k8s.io/v1alpha1",
        "KubeProxyConfiguration",
        clientConnection={"kubeconfig": str(kubeconfig)},
        mode="nftables",
        clusterCIDR=pods,
        hostnameOverride="node",
        oomScoreAdj=0,
        conntrack={
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    )


def coredns(kubeconfig: Path) -> str:
    """Of CoreDNS, on the node's own address."""
    return f"""\
.:53 {{
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
    pods insecure
  }}
  cache 5
}}
"""


def _file(version: str, kind: str, **fields: Any) -> str:
    return yaml.safe_dump({"apiVersion": version, "kind": kind, **fields})
