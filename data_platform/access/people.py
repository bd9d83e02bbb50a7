"""Who a request is from, and what that person may do.

A proxy authenticates people and says who they are in headers: `Authorization: Basic name:secret`,
which only the proxy can write since it proves to know the secret, and `X-Forwarded-Groups`. Without
a proxy nobody logs in, and whoever reaches the webserver is its own user.
"""

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from data_platform.access.sites import hostname, is_loopback
from data_platform.settings.model import Settings
from data_platform.settings.values import PREFIX


class Role(StrEnum):
    """A viewer reads; an operator changes something, too."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Person:
    """Who is at work: a name for people, an e-mail address where there is one, and a role."""

    name: str
    role: Role

    @property
    def may_change(self) -> bool:
        """Whether this person may change something."""
        return self.role is Role.OPERATOR


class NotAuthenticated(Exception):
    """A request does not come from the proxy."""


class NotAllowed(Exception):
    """Someone has logged in who is in no group that may read."""


def actor(settings: Settings) -> Person:
    """Whom the commands of this process work for: who has its settings may change everything."""
    return Person(settings.actor, Role.OPERATOR)


def requesting(headers: Iterable[tuple[str, str]], settings: Settings, peer: str) -> Person:
    """Who a request is from, by its headers, the names in lower case, and the address of its peer.

    Raises NotAuthenticated, NotAllowed. A header that is there twice says nothing.
    """
    given = list(headers)
    if not settings.has_proxy:
        if not settings.proxy_secret:
            _require_open(hostname(_only(given, "host")), settings.unprotected_hosts, peer)
        return actor(settings)
    name, _, secret = _basic(_only(given, "authorization")).partition(":")
    if not hmac.compare_digest(secret.encode(), settings.proxy_secret.encode()) or not name:
        raise NotAuthenticated(
            "This request does not come from the proxy that authenticates. Open the UI at the "
            f"proxy's address. If this is the proxy: its password is not {PREFIX}PROXY_SECRET."
        )
    groups = {each.strip() for each in _only(given, "x-forwarded-groups").split(",")}
    if groups & settings.operators:
        return Person(name, Role.OPERATOR)
    if groups & settings.viewers or "*" in settings.viewers:
        return Person(name, Role.VIEWER)
    raise NotAllowed(
        f"{name} is in none of the groups that may use this UI. Ask for one of: "
        f"{', '.join(sorted(settings.viewers | settings.operators))}."
    )


def _require_open(host: str, open_to_all: frozenset[str], peer: str) -> None:
    """Nobody logs in, so this machine alone is let in, by its own name: a name of another site may
    lead to this address."""
    if host not in open_to_all and not (is_loopback(host) and is_loopback(peer)):
        raise NotAllowed(
            f"Nobody logs in here, so the UI is for the machine that it runs on, not for {peer} at "
            f"{host or 'no host'}. Set {PREFIX}PROXY_SECRET and put a proxy before it, or name the "
            f"host in {PREFIX}UNPROTECTED_HOSTS to let everyone who reaches it do everything."
        )


def _only(headers: list[tuple[str, str]], name: str) -> str:
    found = [value for each, value in headers if each == name]
    return found[0] if len(found) == 1 else ""


def _basic(authorization: str) -> str:
    """`name:password` of a header for basic authentication; empty if it is none."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        return base64.b64decode(encoded, validate=True).decode() if scheme == "Basic" else ""
    except ValueError:  # of either
        return ""
