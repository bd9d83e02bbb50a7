"""The generated documents under parliament's eyes: actions that exist, on resources and under
conditions that they have, and nothing that escalates."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from data_platform.buckets.policies import endpoint_policy, role_policies, trust_policy
from data_platform.buckets.roles import Role
from data_platform_tests.support.acme import PROVIDER, acme, many_tables

Lint = Callable[[Mapping[str, Any]], set[tuple[str, str]]]

# Its library, not its program, which writes into /tmp.
LINTER = """
import json, sys
from parliament import analyze_policy_string

def issues(text):
    found = analyze_policy_string(text, include_community_auditors=True).findings
    return [finding.issue for finding in found]

print(json.dumps({k: issues(json.dumps(v)) for k, v in json.load(sys.stdin).items()}))
"""

# What parliament says of a trust policy, being made for policies of identities.
EXPECTED = {
    "MALFORMED": "a trust policy has no Resource: it is attached to the role that it is about",
    "UNKNOWN_FEDERATION_SOURCE": "it knows SAML and public providers, not a cluster's own",
}


@pytest.fixture
def lint(auditor: Callable[[str], Path]) -> Lint:
    """Name and issue of everything that is found in documents."""

    def found(documents: Mapping[str, Any]) -> set[tuple[str, str]]:
        command = [str(auditor("python")), "-W", "ignore", "-c", LINTER]
        given = json.dumps(documents)
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        issues: dict[str, list[str]] = json.loads(done.stdout)
        assert issues.keys() == documents.keys()
        return {(name, issue) for name, each in issues.items() for issue in each}

    return found


def test_no_document_has_a_finding_but_that_a_service_is_given_its_jobs_role(lint: Lint) -> None:
    sites = {"": acme(), "many-": acme(many_tables(60))}
    documents = {
        f"{prefix}{role}-{number}": document
        for prefix, site in sites.items()
        for role in Role
        for number, document in enumerate(role_policies(role, site))
    }
    documents["endpoint"] = endpoint_policy(acme())

    passing = "PERMISSIONS_MANAGEMENT_ACTIONS"  # iam:PassRole of one role to one service
    assert lint(documents) == {("launch-0", passing), ("many-launch-0", passing)}
    assert len(documents) > len(Role) + 1


def test_a_trust_policy_has_only_the_findings_that_are_no_faults(lint: Lint) -> None:
    found = lint({"trust": trust_policy(PROVIDER, "data", "acme-ingest")})

    assert {issue for _, issue in found} == set(EXPECTED)


@pytest.mark.parametrize(
    ("wrong", "issue"),
    [
        ({"Action": ["s3:GetObjekt"]}, "UNKNOWN_ACTION"),
        ({"Resource": ["arn:aws:s3:::acme-warehouse-test"]}, "RESOURCE_MISMATCH"),
        ({"Condition": {"StringLike": {"s3:prefix": "x"}}}, "UNKNOWN_CONDITION_FOR_ACTION"),
        ({"Action": ["s3:*"], "Resource": ["*"]}, "RESOURCE_STAR"),
        (
            {"Action": ["s3:PutBucketPolicy"], "Resource": ["arn:aws:s3:::acme-warehouse-test"]},
            "PERMISSIONS_MANAGEMENT_ACTIONS",
        ),
        ({"Action": ["iam:CreateAccessKey"], "Resource": ["*"]}, "PRIVILEGE_ESCALATION"),
    ],
)
def test_what_is_wrong_is_found(lint: Lint, wrong: dict[str, Any], issue: str) -> None:
    [document] = role_policies(Role.SERVE, acme())
    document["Statement"][0] |= wrong

    assert ("serve", issue) in lint({"serve": document})
