"""The roles' grants as AWS documents: policies, trust policies, an endpoint's policy.

Deterministic: the same site gives the same text.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_platform.buckets.errors import BucketError
from data_platform.buckets.grants import TLS, Grant, Site
from data_platform.buckets.roles import Role, grants

LIMIT = 6144
"""The most characters of a managed policy, not counting white space."""
POLICIES_PER_ROLE = 10
"""The most managed policies that IAM attaches to a role, unless the quota was raised."""

_PROVIDER = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:oidc-provider/(?P<issuer>[A-Za-z0-9._/-]+)")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")  # as Kubernetes names things; no wildcards

Document = dict[str, Any]


@dataclass(frozen=True)
class Exemption:
    """A resource wider than a table's prefix, or a listing without a prefix, and the reason."""

    role: str
    actions: tuple[str, ...]
    resource: str
    why: str


def role_policies(role: Role, site: Site) -> list[Document]:
    """The role's policies, as few as keep each within LIMIT.

    Raises BucketError if there are more than IAM attaches to a role.
    """
    parts = _parts(grants(role, site))
    if len(parts) > POLICIES_PER_ROLE:
        raise BucketError(
            f"role {role} needs {len(parts)} policies of {LIMIT} characters for {len(site.tables)} "
            f"tables, and IAM attaches {POLICIES_PER_ROLE} to a role (quota L-0DA4ABF3, 25 at most "
            "on request: then raise POLICIES_PER_ROLE in data_platform/buckets/policies.py); or "
            "divide the tables among deployments, each with a DATA_PLATFORM_PROJECT of its own"
        )
    return [document(part) for part in parts]


def document(parts: Sequence[Grant]) -> Document:
    """One policy: a statement for each `sid`, in the order of the grants."""
    by_sid: dict[str, list[Grant]] = {}
    for grant in parts:
        by_sid.setdefault(grant.sid, []).append(grant)
    return _document([_statement(same) for same in by_sid.values()])


def size(policy: Document) -> int:
    """Characters as IAM counts them."""
    return len(json.dumps(policy, separators=(",", ":")))


def text(policy: Document) -> str:
    """The document as JSON text, as it is printed and stored."""
    return json.dumps(policy, indent=2) + "\n"


def exemptions(site: Site) -> list[Exemption]:
    """All exemptions, role by role."""
    return [
        Exemption(str(role), grant.actions, resource, grant.why)
        for role in Role
        for grant in grants(role, site)
        for resource in grant.resources
        if grant.why
    ] + [
        Exemption("endpoint", tuple(found["Action"]), resource, _ENDPOINT_WHY)
        for found in endpoint_policy(site)["Statement"]
        for resource in found["Resource"]
        if "*" in resource
    ]


def trust_policy(provider: str, namespace: str, service_account: str) -> Document:
    """A trust policy by which only this Kubernetes service account of the cluster takes the role.

    `provider` is the ARN of the cluster's OIDC provider. Raises BucketError if it is not one, or if
    a name is not valid in Kubernetes.
    """
    found = _PROVIDER.fullmatch(provider)
    if not found:
        raise BucketError(
            f"{provider!r} is not the ARN of an OIDC provider; write it like "
            "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
        )
    for kind, name in (("namespace", namespace), ("service account", service_account)):
        if not _NAME.fullmatch(name):
            raise BucketError(
                f"{name!r} is not a {kind}; give its name in Kubernetes: lower case letters, "
                "digits, hyphens"
            )
    issuer = found["issuer"]
    claims = {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
    }
    statement = {
        "Sid": "ServiceAccount",
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": claims},
    }
    return _document([statement])


_ENDPOINT_WHY = "an endpoint says which buckets can be reached, the roles say which objects"


def endpoint_policy(site: Site) -> Document:
    """The policy of a VPC's gateway endpoint for S3: only this project's buckets, only for this
    account, and only what some role may do."""
    account = site.account
    jobs = (site.jobs.package, site.jobs.messages) if site.jobs else ()
    places = filter(None, (site.landing, site.warehouse, site.inventory, *jobs))
    buckets = _unique([*(s.name for s in site.specs), *map(_bucket, places)])
    reach: dict[str, list[str]] = {
        "Objects": [account.arn(f"{bucket}/*") for bucket in buckets],
        "Buckets": [account.arn(bucket) for bucket in buckets],
    }
    used: dict[str, set[str]] = {}
    for grant in (grant for role in Role for grant in grants(role, site)):
        if grant.actions[0].startswith("s3:"):
            kind = "Objects" if "/" in grant.resources[0] else "Buckets"
            if "*" in grant.resources[0] and kind == "Buckets":
                kind = grant.sid
                reach[kind] = list(grant.resources)
            used.setdefault(kind, set()).update(grant.actions)
    return _document(
        [
            {
                "Sid": kind,
                "Effect": "Allow",
                "Principal": "*",  # the condition restricts it to the account
                "Action": _unique(actions),
                "Resource": reach[kind],
                "Condition": {**TLS, "StringEquals": {"aws:PrincipalAccount": account.id}},
            }
            for kind, actions in used.items()
        ]
    )


def _parts(allowed: Iterable[Grant]) -> list[list[Grant]]:
    parts: list[list[Grant]] = []
    for grant in allowed:
        if not parts or size(document([*parts[-1], grant])) > LIMIT:
            parts.append([])
        parts[-1].append(grant)
    return parts


def _statement(same: Sequence[Grant]) -> dict[str, Any]:
    first = same[0]
    condition: dict[str, Mapping[str, Any]] = dict(first.conditions)
    if prefixes := _unique(prefix for grant in same for prefix in grant.prefixes):
        condition["StringLike"] = {"s3:prefix": prefixes}
    return {
        "Sid": first.sid,
        "Effect": "Allow",
        "Action": list(first.actions),
        "Resource": _unique(resource for grant in same for resource in grant.resources),
        "Condition": condition,
    }


def _document(statements: list[dict[str, Any]]) -> Document:
    return {"Version": "2012-10-17", "Statement": statements}


def _unique(values: Iterable[str]) -> list[str]:
    return sorted(set(values))


def _bucket(place: str) -> str:
    return place.partition("/")[0]
