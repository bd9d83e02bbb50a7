"""What the roles' policies say, whoever edits them: nothing here asks a service."""

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from data_platform.buckets.errors import BucketError
from data_platform.buckets.grants import Grant
from data_platform.buckets.policies import (
    LIMIT,
    POLICIES_PER_ROLE,
    document,
    endpoint_policy,
    exemptions,
    role_policies,
    size,
    trust_policy,
)
from data_platform.buckets.roles import Role, grants
from data_platform.platform_defs.table_uses import table_uses
from data_platform_tests.support.acme import ACCOUNT, PROVIDER, TABLE, acme, many_tables
from data_platform_tests.support.tables import TABLES


def every_statement() -> Iterator[tuple[str, dict[str, Any]]]:
    for role in Role:
        for policy in role_policies(role, acme()):
            yield from ((str(role), statement) for statement in policy["Statement"])
    yield from (("endpoint", statement) for statement in endpoint_policy(acme())["Statement"])


def test_no_action_is_a_wildcard() -> None:
    for _, statement in every_statement():
        assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action) for action in statement["Action"])


def test_a_wildcard_follows_a_tables_prefix_or_gives_its_reason() -> None:
    tables = {str(table) for use in acme().uses for table in (*use.writes, *use.looks_up)}
    excepted = {(row.role, row.resource) for row in exemptions(acme())}
    seen = set()
    for name, statement in every_statement():
        for resource in statement["Resource"]:
            if "*" not in resource and "?" not in resource:
                continue
            seen.add((name, resource))
            match = TABLE.fullmatch(resource)
            of_table = match and match["table"] in tables and resource.count("*") == 1
            assert of_table or (name, resource) in excepted, (name, resource)

    assert len(seen) > 20  # it looked at some


def test_a_listing_is_of_a_prefix_or_gives_its_reason() -> None:
    without = {
        (str(role), grant.resources[0])
        for role in Role
        for grant in grants(role, acme())
        if "s3:ListBucket" in grant.actions and not grant.prefixes
    }

    landing = "arn:aws:s3:::acme-raw-landing-test"
    assert without == {("ingest", landing), ("launch", landing)}
    assert without <= {(row.role, row.resource) for row in exemptions(acme())}


def test_every_exemption_is_needed_and_says_why() -> None:
    found = exemptions(acme())

    assert all(len(row.why) > 20 for row in found)
    for row in found:
        wild = "*" in row.resource or "?" in row.resource
        listing = {"s3:ListBucket", "s3:ListBucketMultipartUploads"} & set(row.actions)
        assert wild or listing, row


def test_every_statement_asks_for_tls_and_s3s_for_this_account() -> None:
    for name, statement in every_statement():
        condition = statement["Condition"]
        if statement["Sid"] == "UseKey":  # S3 is the one who asks
            assert condition["StringEquals"] == {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
            continue
        if statement["Sid"] == "PassJobRole":  # as is EMR Serverless
            passed = {"iam:PassedToService": "emr-serverless.amazonaws.com"}
            assert condition == {"StringEquals": passed}
            continue
        assert condition["Bool"] == {"aws:SecureTransport": "true"}
        if statement["Action"][0] in ("s3:GetObject", "s3:PutObject", "s3:ListBucket"):
            owner = {"aws:ResourceAccount": ACCOUNT.id}
            principal = {"aws:PrincipalAccount": ACCOUNT.id}
            assert condition["StringEquals"] == (principal if name == "endpoint" else owner)


def test_an_alias_of_a_key_is_refused() -> None:
    with pytest.raises(BucketError, match="not the ARN of a KMS key"):
        acme(key="alias/acme")


def test_many_tables_are_several_policies_that_say_the_same() -> None:
    at = acme(many_tables(150))
    for role in Role:
        parts = role_policies(role, at)

        assert all(size(part) <= LIMIT for part in parts)
        whole = document(grants(role, at))
        assert _pairs([whole]) == _pairs(parts)
    assert len(role_policies(Role.TRANSFORM, at)) > 1


def test_more_policies_than_a_role_can_have_are_refused() -> None:
    at = acme(many_tables(400))

    with pytest.raises(BucketError, match=r"role transform needs \d+ policies .*quota L-0DA4ABF3"):
        role_policies(Role.TRANSFORM, at)
    assert 1 < len(role_policies(Role.TRANSFORM, acme(many_tables(200)))) <= POLICIES_PER_ROLE


def test_a_policy_is_as_large_as_iam_counts_it() -> None:
    grant = Grant(sid="S", actions=("s3:GetObject",), resources=("r",), conditions={})

    assert size(document([grant])) == len("".join(json.dumps(document([grant])).split()))


def test_the_same_site_gives_the_same_text() -> None:
    backwards = list(reversed(table_uses(TABLES)))

    for role in Role:
        assert role_policies(role, acme()) == role_policies(role, acme(backwards))


def test_one_service_account_of_one_cluster_takes_a_role() -> None:
    [statement] = trust_policy(PROVIDER, "data", "acme-ingest")["Statement"]
    issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"

    assert statement["Principal"] == {"Federated": PROVIDER}
    assert statement["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    assert statement["Condition"] == {
        "StringEquals": {
            f"{issuer}:aud": "sts.amazonaws.com",
            f"{issuer}:sub": "system:serviceaccount:data:acme-ingest",
        }
    }


@pytest.mark.parametrize(
    ("provider", "namespace", "account"),
    [
        (PROVIDER, "*", "ingest"),
        (PROVIDER, "data", "ing*"),
        (PROVIDER, "data", ""),
        ("arn:aws:iam::123456789012:role/x", "data", "ingest"),
        (PROVIDER + "*", "data", "ingest"),
    ],
)
def test_a_trust_that_is_wider_than_one_service_account_is_refused(
    provider: str, namespace: str, account: str
) -> None:
    with pytest.raises(BucketError, match=r"give its name in Kubernetes|write it like"):
        trust_policy(provider, namespace, account)


def test_through_the_endpoint_only_this_projects_buckets_are_reached() -> None:
    for statement in endpoint_policy(acme())["Statement"]:
        assert all(
            resource.startswith("arn:aws:s3:::acme-")
            or statement["Action"] == ["s3:ListAllMyBuckets"]
            for resource in statement["Resource"]
        )
    objects = endpoint_policy(acme())["Statement"]
    reached = {r for s in objects if "s3:GetObject" in s["Action"] for r in s["Resource"]}
    buckets = [*(spec.name for spec in acme().specs), "acme-reports"]
    assert reached == {f"arn:aws:s3:::{bucket}/*" for bucket in buckets}


def test_the_endpoint_lets_through_all_that_a_role_does() -> None:
    let = {a for s in endpoint_policy(acme())["Statement"] for a in s["Action"]}
    needed = {a for r in Role for g in grants(r, acme()) for a in g.actions if a[:3] == "s3:"}

    assert let == needed


def _pairs(policies: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Action, resource, listed prefix."""
    return {
        triple
        for policy in policies
        for statement in policy["Statement"]
        for triple in product(
            statement["Action"],
            statement["Resource"],
            statement["Condition"].get("StringLike", {}).get("s3:prefix", [""]),
        )
    }
