"""The roles as users of a real server that enforces policies of users: MinIO."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from data_platform.buckets.grants import Site
from data_platform.buckets.policies import Document, role_policies
from data_platform.buckets.roles import Role
from data_platform.storage import object_store
from tools.servers import Key, S3Server

# Of buckets' configuration MinIO has no such thing, and refuses a policy that names it.
UNKNOWN_ACTIONS = frozenset(
    {
        "s3:GetBucketLogging",
        "s3:GetBucketOwnershipControls",
        "s3:GetBucketPublicAccessBlock",
    }
)
# It is spoken to without TLS here, and has no accounts.
UNKNOWN_CONDITIONS = frozenset({"aws:SecureTransport", "aws:ResourceAccount"})


def role_users(server: S3Server, site: Site) -> dict[Role, Key]:
    """A user for each role, with the policies of the role; gives their keys.

    Only what MinIO cannot know is left out of the policies (see `translated`).
    """
    admin = MinioAdmin(
        endpoint=server.endpoint.removeprefix("http://"),
        credentials=StaticProvider(server.key.id, server.key.secret),
        secure=False,
        region=server.region,
    )
    keys = {role: Key.random() for role in Role}
    for role, key in keys.items():
        admin.user_add(key.id, key.secret)
        names = []
        for number, document in enumerate(role_policies(role, site)):
            names.append(f"{key.id}-{role}-{number}")
            admin.policy_add(names[-1], policy=translated(document))
        if names:
            admin.attach_policy(names, user=key.id)
    return keys


def translated(document: Document) -> Document:
    """What MinIO enforces of a policy: the statements on S3, by action, resource and prefix."""
    statements = [_statement(s) for s in document["Statement"] if s["Action"][0][:3] == "s3:"]
    return {**document, "Statement": [s for s in statements if s["Action"]]}


def _statement(statement: dict[str, Any]) -> dict[str, Any]:
    condition = {
        operator: kept
        for operator, keys in statement["Condition"].items()
        if (kept := {k: v for k, v in keys.items() if k not in UNKNOWN_CONDITIONS})
    }
    actions = [action for action in statement["Action"] if action not in UNKNOWN_ACTIONS]
    kept = {**statement, "Action": actions}
    del kept["Condition"]
    return {**kept, "Condition": condition} if condition else kept  # it refuses an empty one


@contextmanager
def acting_as(key: Key) -> Iterator[None]:
    """What is opened within has this user's credentials, as a process of the role would."""

    def forget() -> None:
        object_store._filesystem.cache_clear()
        object_store._client.cache_clear()

    with pytest.MonkeyPatch.context() as patched:
        for name, value in key.environment.items():
            patched.setenv(name, value)
        patched.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the first credentials it finds
        forget()
        yield
    forget()
