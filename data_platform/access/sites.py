"""Where a request is from and for: pages of other sites can make someone's browser send one."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

_SAME = frozenset({"same-origin", "none"})  # the UI's own pages, or an address that was typed


def from_another_site(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site made a browser send this, by headers no page can change.

    Programs send neither; browsers send `Origin` where the UI is reached without TLS.
    """
    if site := headers.get("sec-fetch-site"):
        return site not in _SAME
    origin = headers.get("origin")
    return origin is not None and _host(origin) != headers.get("host")


def hostname(host: str) -> str:
    """The name or address in a `Host` header, without the port; empty if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether this is this machine's own name or address, at which only itself is reached."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
