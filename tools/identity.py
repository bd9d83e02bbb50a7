"""People who log in, for tests: Keycloak, an OpenID Connect provider, and oauth2-proxy before a
webserver. Started like the servers in `tools.servers`; `make services` installs them."""

import json
import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_platform.engine.java import java
from tools.go_programs import OAUTH2_PROXY
from tools.servers import NotInstalled, launch, listens, running
from tools.services import keycloak_home

PATIENCE = 240  # seconds for Keycloak to start, on a busy machine
# What the proxy is told wherever it is, as in the chart: the webserver relies on these.
PROXY_OPTIONS = (
    "--provider=oidc",
    "--code-challenge-method=S256",
    "--skip-provider-button=true",
    "--cookie-samesite=lax",
    "--cookie-expire=8h",
    "--cookie-refresh=5m",
    "--pass-basic-auth=true",
    "--prefer-email-to-user=true",
    "--pass-user-headers=true",
    "--oidc-groups-claim=groups",
)


@dataclass(frozen=True, kw_only=True)
class Client:
    """What the proxy is at the provider."""

    id: str = "data-platform"
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


@dataclass(frozen=True, kw_only=True)
class Keycloak:
    """A provider with one realm."""

    port: int
    realm: str
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def issuer(self) -> str:
        """The URL of the realm."""
        return f"http://127.0.0.1:{self.port}/realms/{self.realm}"

    def answers(self) -> bool:
        """Whether it responds, and is our process."""
        url = f"{self.issuer}/.well-known/openid-configuration"
        return listens(self.process, self.port) and _status(url) == 200


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """oauth2-proxy at `url`."""

    port: int
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def url(self) -> str:
        """The address that people open."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it responds, and is our process."""
        return listens(self.process, self.port) and _status(f"{self.url}/ping") == 200


@contextmanager
def keycloak(directory: Path, realm: Mapping[str, Any]) -> Iterator[Keycloak]:
    """Keycloak with a realm in its own form of export, kept in memory."""
    home, installed, program = directory.absolute(), keycloak_home(), java()
    if not installed.exists() or program is None:
        raise NotInstalled("Keycloak is not installed: run `make services`, with Java")
    for name in ("conf", "lib", "providers", "themes"):
        (home / name).symlink_to(installed / name)
    (home / "data" / "import").mkdir(parents=True)
    (home / "data" / "import" / "realm.json").write_text(json.dumps(realm))
    log = home / "server.log"

    def start(port: int) -> Keycloak:
        process = launch(
            [
                *(str(program), "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                *("-Djava.net.preferIPv4Stack=true", f"-Dkc.home.dir={home}"),
                "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
                *("-cp", str(installed / "lib" / "quarkus-run.jar"), _MAIN, "start", "--optimized"),
                *("--import-realm", "--http-enabled=true", "--http-host=127.0.0.1"),
                *(f"--http-port={port}", "--hostname-strict=false"),
            ],
            log=log,
            env={},
        )
        return Keycloak(port=port, realm=realm["realm"], process=process)

    with running(start, log, PATIENCE) as server:
        yield server


_MAIN = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"


@contextmanager
def oauth2_proxy(
    directory: Path, *, issuer: str, client: Client, upstream: str, password: str, refresh: str
) -> Iterator[Proxy]:
    """The proxy before an upstream, to which it proves itself by the password. It asks the provider
    again for the groups of someone of whom it has not for as long as `refresh` (like 5m)."""
    if not OAUTH2_PROXY.binary.exists():
        raise NotInstalled("oauth2-proxy is not installed: run `make services`")
    log = directory.absolute() / "proxy.log"

    def start(port: int) -> Proxy:
        process = launch(
            [
                *(str(OAUTH2_PROXY.binary), *PROXY_OPTIONS, f"--oidc-issuer-url={issuer}"),
                *(f"--upstream={upstream}", f"--http-address=127.0.0.1:{port}"),
                *(f"--redirect-url=http://127.0.0.1:{port}/oauth2/callback", "--email-domain=*"),
                f"--cookie-refresh={refresh}",  # the last one counts
                "--cookie-secure=false",  # it is reached by HTTP here
            ],
            log=log,
            env={
                "OAUTH2_PROXY_CLIENT_ID": client.id,
                "OAUTH2_PROXY_CLIENT_SECRET": client.secret,
                "OAUTH2_PROXY_COOKIE_SECRET": secrets.token_hex(16),
                "OAUTH2_PROXY_BASIC_AUTH_PASSWORD": password,
            },
        )
        return Proxy(port=port, process=process)

    with running(start, log) as server:
        yield server


def _status(url: str) -> int:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:  # not yet
        return 0
