"""Statements of buckets' and queues' policies: the standard's, by their Sids, beside others'."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from data_platform.buckets.standard import OWN_SIDS, TLS_ONLY_SID

Statement = Mapping[str, Any]


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
