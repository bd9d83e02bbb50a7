"""A company's people for tests that log in: a realm of Keycloak, and browsers of its users."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from data_platform_tests.support.web_pages import OPERATORS, VIEWERS
from tools.identity import Client

REALM = "company"
# By user, the groups.
PEOPLE = {"vera": (VIEWERS,), "olga": ("staff", OPERATORS), "nora": ()}
_FORM = re.compile(r'<form id="kc-form-login".*?action="([^"]+)"', re.DOTALL)


def email(user: str) -> str:
    return f"{user}@example.com"


def password(user: str) -> str:
    return f"password of {user}"


def realm(client: Client) -> dict[str, Any]:
    """The realm, in Keycloak's form, with a client for the proxy whose tokens name groups."""
    groups = {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"},
    }
    audience = {
        "name": "audience",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.client.audience": client.id, "id.token.claim": "true"},
    }
    return {
        "realm": REALM,
        "enabled": True,
        "sslRequired": "none",
        "groups": [{"name": name} for name in (VIEWERS, OPERATORS, "staff")],
        "users": [_user(name, groups) for name, groups in PEOPLE.items()],
        "clients": [
            {
                "clientId": client.id,
                "secret": client.secret,
                "enabled": True,
                "publicClient": False,
                "standardFlowEnabled": True,
                "redirectUris": ["http://127.0.0.1:*"],
                "protocolMappers": [groups, audience],
            }
        ],
    }


def _user(name: str, groups: tuple[str, ...]) -> dict[str, Any]:
    return {
        "username": name,
        "email": email(name),
        "emailVerified": True,
        "enabled": True,
        "firstName": name.title(),
        "lastName": "Example",
        "groups": [f"/{group}" for group in groups],
        "credentials": [{"type": "password", "value": password(name)}],
    }


@contextmanager
def browser(url: str) -> Iterator[httpx.Client]:
    """A browser at this address, in which nobody has logged in."""
    with httpx.Client(base_url=url, follow_redirects=True, trust_env=False, timeout=60) as client:
        yield client


@contextmanager
def logged_in(url: str, user: str) -> Iterator[httpx.Client]:
    """A browser in which the user has filled the form that the page at this address leads to."""
    with browser(url) as client:
        form = client.get("/")
        found = _FORM.search(form.text)
        assert found, form.text
        for cookie in client.cookies.jar:
            cookie.secure = False  # for a browser the loopback address is as safe as HTTPS
        typed = {"username": user, "password": password(user)}
        client.post(html.unescape(found[1]), data=typed)
        yield client
