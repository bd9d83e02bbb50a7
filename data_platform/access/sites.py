"""Pages of other sites, which can make the browser of someone who has logged in send a request."""

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


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
