"""Statements of buckets' and queues' policies: the standard's, by their Sids, beside others'."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from data_platform.buckets.standard import OWN_SIDS, TLS_ONLY_SID

Statement = Mapping[str, Any]

# A condition on one of these makes "everybody" somebody.
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
# Operators that ask for nothing by name, or pass where nothing is said.
_WIDE = ("Not", "IfExists", "Null", "ForAllValues")


def statements(policy: Mapping[str, Any]) -> list[Statement]:
    """Those of a policy; a single one may stand without its list."""
    found = policy.get("Statement", [])
    return [found] if isinstance(found, Mapping) else list(found)


def merged(
    policy: Mapping[str, Any],
    own: Mapping[str, Statement],
    *,
    without: Collection[Statement] = (),
) -> str:
    """The policy as JSON, with the standard's own statements beside those of somebody else, except
    the ones of `without`."""
    kept = [s for s in statements(policy) if s.get("Sid") not in OWN_SIDS and s not in without]
    return json.dumps({"Version": "2012-10-17", **policy, "Statement": [*kept, *own.values()]})


def tls_only(service: str, resources: str | Sequence[str]) -> dict[str, Any]:
    return {
        "Sid": TLS_ONLY_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": f"{service}:*",
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def allows_everybody(statement: Statement) -> bool:
    """Whether it lets anybody do something, or a service on anybody's behalf."""
    if statement.get("Effect") != "Allow":
        return False
    principal = statement.get("Principal", "*")  # else it is all but somebody
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
    """Not a wildcard, nor an ARN of every account; a bucket has its name alone."""
    if not value.startswith("arn:"):
        return bool(value.strip("*?"))
    _, _, service, _, account, resource = [*value.split(":", 5), *"*****"][:6]
    by_account = account and not {"*", "?"} & set(account)
    return bool(by_account or (service == "s3" and resource.strip("*?")))


def _listed(found: Any) -> Sequence[Any]:
    return found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
