"""A company's people for tests that log in: a realm of Keycloak, and browsers of its users."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tools.identity import Client, Keycloak

REALM = "company"
# Paths of groups, as tokens have them: a group of a like name is elsewhere.
OPERATORS, VIEWERS = "/data-operators", "/data-viewers"
# By user, the groups.
PEOPLE = {
    "vera": (VIEWERS,),
    "olga": ("/staff", OPERATORS),
    "oskar": (VIEWERS, OPERATORS),
    "tara": ("/team-a/data-operators",),
    "carl": ("/x,data-operators",),  # the proxy separates groups by commas
    "nora": (),
}
ADMINISTRATOR = "ada"
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
        "config": {"claim.name": "groups", "full.path": "true", "id.token.claim": "true"},
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
        "groups": [
            {"name": "team-a", "subGroups": [{"name": "data-operators"}]},
            *({"name": each[1:]} for each in (VIEWERS, OPERATORS, "/staff", "/x,data-operators")),
        ],
        "users": [
            *(_user(name, groups) for name, groups in PEOPLE.items()),
            {
                **_user(ADMINISTRATOR, ()),
                "clientRoles": {"realm-management": ["manage-users", "view-users"]},
            },
        ],
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
        "groups": [*groups],
        "credentials": [{"type": "password", "value": password(name)}],
    }


def leave(keycloak: Keycloak, user: str, group: str) -> None:
    """The company's administrator takes the user out of the group."""
    with browser(keycloak.issuer) as client:
        login = {"grant_type": "password", "client_id": "admin-cli", "username": ADMINISTRATOR}
        token = client.post(
            "/protocol/openid-connect/token",
            data={**login, "password": password(ADMINISTRATOR)},
        ).raise_for_status()
        client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        users = keycloak.issuer.replace("/realms/", "/admin/realms/") + "/users"
        [found] = client.get(users, params={"username": user, "exact": True}).json()
        its = f"{users}/{found['id']}/groups"
        [left] = [each for each in client.get(its).json() if each["path"] == group]
        client.delete(f"{its}/{left['id']}").raise_for_status()


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
