"""Who the parts of a cluster are to its API server: a token and a configuration of each, and the
server's own certificate."""

import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

# The groups of each user.
USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "system:node:node": "system:nodes",
    "system:kube-proxy": "",
}


def config_of(directory: Path, user: str) -> Path:
    """The file with which the user's programs find the server."""
    return directory / f"{user.rpartition(':')[2]}.kubeconfig"


def write_credentials(directory: Path, address: str, addresses: Sequence[str]) -> None:
    """Write keys, the certificate of the server at these addresses, and the users' tokens."""
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    alternatives = [*(f"DNS:{n}" for n in names), *(f"IP:{a}" for a in addresses)]
    trusted = directory / "server.crt"
    _openssl("genrsa", "-out", str(directory / "accounts.key"), "2048")
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=node"),
        *("-keyout", str(directory / "server.key"), "-out", str(trusted)),
        *("-addext", f"subjectAltName={','.join(alternatives)}"),
        *("-addext", "basicConstraints=critical,CA:TRUE"),
    )
    tokens = {user: secrets.token_hex(16) for user in USERS}
    lines = [f"{tokens[user]},{user},{user},{group}" for user, group in USERS.items()]
    (directory / "tokens.csv").write_text("\n".join(lines) + "\n")
    server = {"server": f"https://{address}:6443", "certificate-authority": str(trusted)}
    for user, token in tokens.items():
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": server}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "cluster", "user": user}}],
            "current-context": "it",
        }
        config_of(directory, user).write_text(yaml.safe_dump(config))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
