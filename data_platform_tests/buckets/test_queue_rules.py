"""Each rule against a real SQS API: a queue wrong in one respect fails it alone, and is fixed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from data_platform.buckets.full_standard import judge
from data_platform.buckets.queue_rules import QUEUE_RULES
from data_platform.buckets.queue_standard import QueueSpec
from data_platform.buckets.queue_state import QueueState
from data_platform.buckets.standard import ARRIVALS_SID, TLS_ONLY_SID, QueuePurpose
from data_platform_tests.support.cloud import Cloud
from data_platform_tests.support.queue_breaks import (
    OWN_STATEMENT,
    Break,
    add_statement,
    dead_letters_elsewhere,
    dead_letters_of,
    few_receives,
    retag,
    set_attributes,
    untag,
    without_conditions,
    without_statement,
)

OWN_KEY = "arn:aws:kms:eu-west-1:123456789012:key/0a1b"


def breaks(rule: str, purpose: QueuePurpose) -> Iterator[Break]:
    """Every way in which a queue of that purpose is made wrong in one respect."""
    match rule:
        case "encryption":
            yield set_attributes(SqsManagedSseEnabled="false")
            if purpose is QueuePurpose.ARRIVALS:
                yield set_attributes(SqsManagedSseEnabled="false", KmsMasterKeyId="alias/aws/sqs")
        case "retention":
            yield set_attributes(MessageRetentionPeriod="345600")
        case "visibility":
            yield set_attributes(VisibilityTimeout="30")
        case "redrive_allow":
            yield set_attributes(RedriveAllowPolicy={"redrivePermission": "denyAll"})
            yield dead_letters_of()
        case "redrive_only":
            yield set_attributes(RedriveAllowPolicy="")
            yield set_attributes(RedriveAllowPolicy={"redrivePermission": "allowAll"})
            yield dead_letters_of("acme-arrivals-test", "somebody-elses")
        case "redrive":
            yield set_attributes(RedrivePolicy="")
            yield few_receives
            yield dead_letters_elsewhere
        case "s3_may_send":
            yield without_statement(ARRIVALS_SID)
            yield without_conditions(ARRIVALS_SID)
        case "tls_only":
            yield without_statement(TLS_ONLY_SID)
            yield without_conditions(TLS_ONLY_SID)
        case "not_public":
            yield add_statement(Principal="*", Condition={})
        case "tags":
            yield untag
            yield retag


CASES = [
    pytest.param(rule.name, purpose, wrong, id=f"{rule.name}-{purpose}-{number}")
    for rule in QUEUE_RULES
    for purpose in QueuePurpose
    if purpose in rule.purposes
    for number, wrong in enumerate(breaks(rule.name, purpose))
]


def everybody(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Principal": "*", "Condition": {operator: {key: value}}}


def test_every_rule_has_a_case() -> None:
    assert {case.values[0] for case in CASES} == {rule.name for rule in QUEUE_RULES}


@pytest.mark.parametrize(("rule", "purpose", "wrong"), CASES)
def test_a_queue_wrong_in_one_respect_fails_that_rule_and_is_fixed(
    standing: Cloud, rule: str, purpose: QueuePurpose, wrong: Break
) -> None:
    """By the failure's command; and by apply, unless that would take something from somebody."""
    before = standing.queue(purpose)
    wrong(standing, purpose)

    [failure] = standing.audit().failures
    assert (failure.name, failure.rule) == (standing.name(purpose), rule)
    assert failure.command.startswith("aws sqs ")
    standing.run(failure.command)
    assert standing.queue(purpose) == before

    wrong(standing, purpose)
    done = standing.apply()
    assert (failure.loosens == "") is bool(done)
    if failure.loosens:
        standing.run(failure.command)
    assert standing.queue(purpose) == before


def test_the_queue_gives_its_dead_letters_beside_those_that_somebody_let(
    standing: Cloud,
) -> None:
    """Adding it takes nothing from anybody; whether the others go is a person's choice."""
    dead_letters_of("somebody-elses")(standing, QueuePurpose.DEAD)

    [done] = standing.apply()

    assert done.change == "acme-arrivals-test gives its dead letters to it"
    theirs, arrivals = standing.queue(QueuePurpose.DEAD).redrive_allow["sourceQueueArns"]
    assert (theirs.rpartition(":")[2], arrivals.rpartition(":")[2]) == (
        "somebody-elses",
        "acme-arrivals-test",
    )
    [failure] = standing.audit().failures
    assert failure.rule == "redrive_only" and theirs in failure.found and failure.loosens
    standing.run(failure.command)
    assert standing.audit().failures == ()


@pytest.mark.parametrize("allowed", ["", {"redrivePermission": "allowAll"}])
def test_a_dead_letter_queue_that_any_queue_may_use_is_left_to_a_person(
    standing: Cloud, allowed: Any
) -> None:
    """Some queue may be using it."""
    set_attributes(RedriveAllowPolicy=allowed)(standing, QueuePurpose.DEAD)

    assert standing.apply() == []
    [failure] = standing.audit().failures
    assert "may no longer give their dead letters" in failure.loosens
    standing.run(failure.command)


@pytest.mark.parametrize(
    "change",
    [
        {"managed": False, "key": OWN_KEY},
        {"visibility": 600},
        {"redrive": {"maxReceiveCount": "10"}},
    ],
    ids=["a key of one's own", "longer in work", "a count as text"],
)
def test_what_is_no_less_than_the_standard_is_no_deviation(
    standing: Cloud, change: dict[str, Any]
) -> None:
    state, spec = _state(standing, QueuePurpose.ARRIVALS)
    change = {k: {**state.redrive, **v} if isinstance(v, dict) else v for k, v in change.items()}

    assert list(judge(spec, replace(state, **change), standing.account)) == []


def test_awss_own_key_does_for_dead_letters_which_s3_does_not_send(
    standing: Cloud,
) -> None:
    state, spec = _state(standing, QueuePurpose.DEAD)
    changed = replace(state, managed=False, key="alias/aws/sqs")

    assert list(judge(spec, changed, standing.account)) == []


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Principal": "*"}, False),  # it has a condition on who
        ({"Principal": "*", "Condition": {}}, True),
        ({"Principal": {"AWS": "*"}, "Condition": {}}, True),
        ({"Principal": {"AWS": ["123456789012", "*"]}, "Condition": {}}, True),
        ({"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
        (everybody("ArnLike", "AWS:SourceArn", "arn:aws:sns:eu-west-1:123456789012:*"), False),
        (everybody("ArnLike", "aws:SourceArn", "arn:aws:s3:::theirs"), False),
        (everybody("ArnLike", "aws:SourceArn", "arn:aws:s3:*:*:theirs"), False),
        (everybody("ArnLike", "aws:SourceArn", "arn:aws:s3:*:*:*"), True),
        (everybody("ArnLike", "aws:SourceArn", "arn:aws:s3:::*"), True),
        (everybody("ArnLike", "aws:SourceArn", "arn:aws:sns:eu-west-1:*:theirs"), True),
        (everybody("ArnLike", "aws:SourceArn", "arn:*"), True),
        (everybody("StringLike", "aws:PrincipalArn", "*"), True),
        (everybody("StringEquals", "aws:SourceAccount", ["123456789012", "222222222222"]), False),
        (everybody("StringLike", "aws:SourceAccount", ["123456789012", "*"]), True),
        (everybody("ForAllValues:StringEquals", "aws:SourceAccount", "123456789012"), True),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:SourceAccount": "1"}}}, True),
        ({"Principal": "*", "Condition": {}, "Effect": "Deny"}, False),
        ({"Principal": {"AWS": "123456789012"}, "Condition": {}}, False),
        ({"Principal": {"Service": "events.amazonaws.com"}}, False),
        ({"Principal": {"Service": "events.amazonaws.com"}, "Condition": {}}, True),
        ({"Principal": {"Federated": "accounts.example.com"}, "Condition": {}}, False),
    ],
)
def test_everybody_is_who_no_condition_narrows_down(
    standing: Cloud, statement: dict[str, Any], public: bool
) -> None:
    state, spec = _state(standing, QueuePurpose.ARRIVALS)
    policy = {**state.policy, "Statement": [*state.policy["Statement"], OWN_STATEMENT | statement]}

    found = [rule.name for rule, _ in judge(spec, replace(state, policy=policy), standing.account)]

    assert found == (["not_public"] if public else [])


def _state(cloud: Cloud, purpose: QueuePurpose) -> tuple[QueueState, QueueSpec]:
    [spec] = [spec for spec in cloud.queues if spec.purpose is purpose]
    return cloud.queue(purpose), spec
