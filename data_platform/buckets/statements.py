"""Statements of bucket and queue policies: the standard's, known by their Sids, and others."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from data_platform.buckets.standard import OWN_SIDS, TLS_ONLY_SID

Statement = Mapping[str, Any]

# A condition on one of these keys restricts "everybody" to somebody.
_NARROWING = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceorgid",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
    }
)
# Condition operators that restrict to nothing in particular, or pass if the key is missing.
_WIDE = ("Not", "IfExists", "Null", "ForAllValues")


def statements(policy: Mapping[str, Any]) -> list[Statement]:
    """A policy's statements; a single one may come without a list."""
    found = policy.get("Statement", [])
    return [found] if isinstance(found, Mapping) else list(found)


def merged(
    policy: Mapping[str, Any],
    own: Mapping[str, Statement],
    *,
    without: Collection[Statement] = (),
) -> str:
    """The policy as JSON: other people's statements, except those in `without`, and the standard's
    `own`."""
    kept = [s for s in statements(policy) if s.get("Sid") not in OWN_SIDS and s not in without]
    return json.dumps({"Version": "2012-10-17", **policy, "Statement": [*kept, *own.values()]})


def tls_only(service: str, resources: str | Sequence[str]) -> dict[str, Any]:
    """The statement that denies requests to these ARNs without TLS."""
    return {
        "Sid": TLS_ONLY_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": f"{service}:*",
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def allows_everybody(statement: Statement) -> bool:
    """Whether it allows something to anybody, or to a service on anybody's behalf."""
    if statement.get("Effect") != "Allow":
        return False
    principal = statement.get("Principal", "*")  # with NotPrincipal it is everybody else
    named = principal.get("AWS", ()) if isinstance(principal, Mapping) else principal
    service = isinstance(principal, Mapping) and "Service" in principal
    return (service or "*" in _listed(named)) and not _narrowed(statement)


def _narrowed(statement: Statement) -> bool:
    return any(
        all(_is_somebody(str(value)) for value in _listed(values))
        for operator, asked in statement.get("Condition", {}).items()
        if not any(wide in operator for wide in _WIDE)
        for key, values in asked.items()
        if key.lower() in _NARROWING
    )


def _is_somebody(value: str) -> bool:
    """Whether a value is neither a wildcard nor an ARN of any account; a bucket's ARN has none."""
    if not value.startswith("arn:"):
        return bool(value.strip("*?"))
    _, _, service, _, account, resource = [*value.split(":", 5), *"*****"][:6]
    by_account = account and not {"*", "?"} & set(account)
    return bool(by_account or (service == "s3" and resource.strip("*?")))


def _listed(found: Any) -> Sequence[Any]:
    return found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
