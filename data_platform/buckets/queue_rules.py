"""The rules for queues: each compares a queue with the standard and says what fixes it."""

from collections.abc import Mapping, Sequence

from data_platform.buckets import queue_actions as actions
from data_platform.buckets.account import Account
from data_platform.buckets.deviations import (
    Deviation,
    Rule,
    statement_deviation,
    tags_deviation,
)
from data_platform.buckets.queue_standard import QueueSpec
from data_platform.buckets.queue_state import QueueState
from data_platform.buckets.standard import ARRIVALS_SID, TLS_ONLY_SID, QueuePurpose
from data_platform.buckets.statements import allows_everybody, statements

_AWS_OWN_KEY = "alias/aws/sqs"  # its key policy cannot be edited, so S3 may not use it
_ARRIVALS = frozenset({QueuePurpose.ARRIVALS})
_DEAD = frozenset({QueuePurpose.DEAD})


def _encryption(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    fix = actions.encryption(spec, state)
    if spec.purpose is QueuePurpose.ARRIVALS and state.key.endswith(_AWS_OWN_KEY):
        expected = "SSE-SQS or a KMS key of your own, which S3 may use"
        return Deviation(expected, state.key, fix, "no key in KMS encrypts the messages any more")
    if state.managed or state.key:
        return None
    return Deviation("SSE-SQS or a KMS key", "none", fix)


def _visibility(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    least = spec.standard.visibility or 0
    if state.visibility >= least:
        return None
    fix = actions.visibility(spec, state, least)
    return Deviation(f"{least} s at least", f"{state.visibility} s", fix)


def _retention(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    if state.retention >= spec.standard.retention:
        return None
    fix = actions.retention(spec, state)
    return Deviation(f"{spec.standard.retention} s", f"{state.retention} s", fix)


def _redrive(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    wanted = {name: str(value) for name, value in actions.redriven(spec, account).items()}
    there = {name: str(value) for name, value in state.redrive.items()}  # SQS keeps counts as text
    if there == wanted:
        return None
    fix = actions.redrive(spec, state, account)
    if not there:
        return Deviation(_redriven(wanted), "no redrive policy", fix)
    target = there.get("deadLetterTargetArn", "")
    elsewhere = target != wanted["deadLetterTargetArn"]
    loosens = f"{target} no longer gets dead letters" if elsewhere else ""
    return Deviation(_redriven(wanted), _redriven(there), fix, loosens)


def _redriven(policy: Mapping[str, str]) -> str:
    return f"to {policy.get('deadLetterTargetArn')} after {policy.get('maxReceiveCount')} receives"


def _redrive_allow(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    arrivals = account.regional_arn("sqs", spec.named(QueuePurpose.ARRIVALS))
    sources = _sources(state)
    if sources is None or arrivals in sources:
        return None
    fix = actions.redrive_allow(spec, state, account, beside=sources)
    denied = state.redrive_allow.get("redrivePermission") == "denyAll"
    loosens = f"{arrivals} may give its dead letters" if denied else ""
    return Deviation(f"of {arrivals}", f"of {', '.join(sources) or 'no queue'}", fix, loosens)


def _redrive_only(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    arrivals = account.regional_arn("sqs", spec.named(QueuePurpose.ARRIVALS))
    sources = _sources(state)
    others = "every queue" if sources is None else ", ".join(s for s in sources if s != arrivals)
    if not others:
        return None
    fix = actions.redrive_allow(spec, state, account)
    loosens = f"other queues than {arrivals} may no longer give their dead letters"
    return Deviation(f"of {arrivals} only", f"of {others}", fix, loosens)


def _sources(state: QueueState) -> Sequence[str] | None:
    """The ARNs of the queues that may send their dead letters here; None if every queue may."""
    if state.redrive_allow.get("redrivePermission", "allowAll") == "allowAll":
        return None
    return state.redrive_allow.get("sourceQueueArns", ())


def _tls_only(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    return _statement(TLS_ONLY_SID, spec, state, account)


def _s3_may_send(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    return _statement(ARRIVALS_SID, spec, state, account)


def _statement(sid: str, spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    fix = actions.policy(spec, state, account)
    return statement_deviation(sid, state.policy, actions.policy_statements(spec, account), fix)


def _not_public(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    own = actions.policy_statements(spec, account)
    there = [s for s in statements(state.policy) if s.get("Sid") not in own]
    public = [statement for statement in there if allows_everybody(statement)]
    if not public:
        return None
    return Deviation(
        "no policy statement that allows everybody something",
        f"the statement {', '.join(str(s.get('Sid')) for s in public)}",
        actions.policy(spec, state, account, without=public),
        "a policy statement that somebody wrote is removed",
    )


def _tags(spec: QueueSpec, state: QueueState, account: Account) -> Deviation | None:
    return tags_deviation(spec.tags, state.tags, actions.tags(spec, state))


# In the order in which apply fixes them: permission to use the dead letter queue before its use.
QUEUE_RULES = (
    Rule("encryption", "Messages are encrypted; arrivals not with AWS's own KMS key.", _encryption),
    Rule("retention", "Messages are kept for SQS's longest time.", _retention),
    Rule("visibility", "A message in work is kept from others.", _visibility, _ARRIVALS),
    Rule("redrive_allow", "The queue may give its dead letters.", _redrive_allow, _DEAD),
    Rule("redrive_only", "No other queue may give its dead letters.", _redrive_only, _DEAD),
    Rule("redrive", "What nobody understands goes to the dead letters.", _redrive, _ARRIVALS),
    Rule("s3_may_send", "The statement that lets S3 send is there.", _s3_may_send, _ARRIVALS),
    Rule("tls_only", "Requests without TLS are denied.", _tls_only),
    Rule("not_public", "No statement allows everybody something.", _not_public),
    Rule("tags", "The cost allocation tags are set.", _tags),
)
