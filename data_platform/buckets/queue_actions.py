"""Changes to a queue as data: the SQS operation and its arguments."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from data_platform.buckets.account import Account
from data_platform.buckets.actions import Action
from data_platform.buckets.queue_standard import QueueSpec
from data_platform.buckets.queue_state import QueueState
from data_platform.buckets.standard import ARRIVALS_SID, TLS_ONLY_SID, Purpose, QueuePurpose
from data_platform.buckets.statements import Statement, merged, tls_only

_SSE_SQS = {"SqsManagedSseEnabled": "true"}


def creation(spec: QueueSpec, account: Account) -> Action:
    """Creates the queue fully configured, so that nobody can use it unconfigured."""
    attributes = {
        **_SSE_SQS,
        "MessageRetentionPeriod": str(spec.standard.retention),
        "Policy": merged({}, policy_statements(spec, account)),
    }
    if spec.standard.visibility is not None:
        attributes["VisibilityTimeout"] = str(spec.standard.visibility)
    if spec.purpose is QueuePurpose.DEAD:
        attributes["RedriveAllowPolicy"] = json.dumps(redrive_allowed(spec, account))
    else:
        attributes["RedrivePolicy"] = json.dumps(redriven(spec, account))
    return Action(
        spec.name,
        f"make it in {account.region}",
        "create_queue",
        {"QueueName": spec.name, "Attributes": attributes, "tags": spec.tags},
        service="sqs",
    )


def encryption(spec: QueueSpec, state: QueueState) -> Action:
    """Sets SSE-SQS; a KMS key, if there is one, is removed, as a queue has one encryption only."""
    without = {"KmsMasterKeyId": ""} if state.key else {}
    return _set(spec, state, "encrypt with SSE-SQS", {**_SSE_SQS, **without})


def visibility(spec: QueueSpec, state: QueueState, seconds: int) -> Action:
    """Sets the visibility timeout."""
    change = f"keep messages in work from others for {seconds} s"
    return _set(spec, state, change, {"VisibilityTimeout": str(seconds)})


def retention(spec: QueueSpec, state: QueueState) -> Action:
    """Sets how long messages are kept."""
    seconds = spec.standard.retention
    return _set(
        spec, state, f"keep messages for {seconds} s", {"MessageRetentionPeriod": str(seconds)}
    )


def redrive(spec: QueueSpec, state: QueueState, account: Account) -> Action:
    """Sets the queue for dead letters."""
    change = f"dead letters go to {spec.named(QueuePurpose.DEAD)}"
    return _set(spec, state, change, {"RedrivePolicy": json.dumps(redriven(spec, account))})


def redrive_allow(
    spec: QueueSpec, state: QueueState, account: Account, *, beside: Sequence[str] = ()
) -> Action:
    """Lets the arrivals queue, and the queues with the ARNs `beside`, send it dead letters."""
    arrivals = spec.named(QueuePurpose.ARRIVALS)
    change = f"{'' if beside else 'only '}{arrivals} gives its dead letters to it"
    allowed = json.dumps(redrive_allowed(spec, account, beside=beside))
    return _set(spec, state, change, {"RedriveAllowPolicy": allowed})


def policy(
    spec: QueueSpec,
    state: QueueState,
    account: Account,
    *,
    without: Collection[Statement] = (),
) -> Action:
    """Sets the standard's statements and keeps other people's, except those in `without`."""
    own = policy_statements(spec, account)
    removed = ", ".join(str(statement.get("Sid")) for statement in without)
    set_own = f"set the policy statements {', '.join(own)}"
    change = f"remove the policy statement {removed}" if without else set_own
    return _set(spec, state, change, {"Policy": merged(state.policy, own, without=without)})


def tags(spec: QueueSpec, state: QueueState) -> Action:
    """Sets the cost allocation tags; SQS keeps the others."""
    request = {"QueueUrl": state.url, "Tags": spec.tags}
    return Action(spec.name, "set the cost allocation tags", "tag_queue", request, service="sqs")


def redriven(spec: QueueSpec, account: Account) -> dict[str, Any]:
    """The redrive policy of the arrivals queue."""
    dead = account.regional_arn("sqs", spec.named(QueuePurpose.DEAD))
    return {"deadLetterTargetArn": dead, "maxReceiveCount": spec.standard.max_receives}


def redrive_allowed(
    spec: QueueSpec, account: Account, *, beside: Sequence[str] = ()
) -> dict[str, Any]:
    """The redrive allow policy of the dead letter queue."""
    arrivals = account.regional_arn("sqs", spec.named(QueuePurpose.ARRIVALS))
    return {"redrivePermission": "byQueue", "sourceQueueArns": [*beside, arrivals]}


def policy_statements(spec: QueueSpec, account: Account) -> dict[str, dict[str, Any]]:
    """The standard's statements of the queue policy, by Sid."""
    queue = account.regional_arn("sqs", spec.name)
    found: dict[str, dict[str, Any]] = {}
    if spec.purpose is QueuePurpose.ARRIVALS:
        found[ARRIVALS_SID] = {
            "Sid": ARRIVALS_SID,
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            # S3 sends for every account, and somebody else may take over a bucket's name.
            "Condition": {
                "StringEquals": {"aws:SourceAccount": account.id},
                "ArnEquals": {"aws:SourceArn": account.arn(spec.named(Purpose.RAW_LANDING))},
            },
        }
    found[TLS_ONLY_SID] = tls_only("sqs", queue)
    return found


def _set(spec: QueueSpec, state: QueueState, change: str, attributes: dict[str, str]) -> Action:
    request = {"QueueUrl": state.url, "Attributes": attributes}
    return Action(spec.name, change, "set_queue_attributes", request, service="sqs")
