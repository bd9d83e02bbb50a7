"""The rules for buckets: each compares a bucket with the standard and says what fixes it.

Those for queues are in `queue_rules.py`, the types of both in `deviations.py`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from data_platform.buckets import actions, notification
from data_platform.buckets.account import Account
from data_platform.buckets.actions import BLOCKS, OWNER_ENFORCED
from data_platform.buckets.deviations import (
    Deviation,
    Rule,
    statement_deviation,
    tags_deviation,
)
from data_platform.buckets.standard import (
    ACCESS_LOGS,
    LOG_DELIVERY_SID,
    TLS_ONLY_SID,
    BucketSpec,
    Purpose,
)
from data_platform.buckets.state import BucketState

_KMS = ("aws:kms", "aws:kms:dsse")
# Objects in these classes must be restored, which takes hours, before they can be read.
_UNREADABLE = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_TABLES = frozenset({Purpose.RAW_LANDING, Purpose.WAREHOUSE})
_KEPT = frozenset({*_TABLES, Purpose.ARTIFACTS})


def _versioning(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    found = state.versioning or "never switched on"
    if spec.standard.versioned and state.versioning != "Enabled":
        return Deviation("Enabled", found, actions.versioning(spec, account, "Enabled"))
    if not spec.standard.versioned and state.versioning == "Enabled":
        suspend = actions.versioning(spec, account, "Suspended")
        return Deviation("off", found, suspend, "objects deleted from now on are gone at once")
    return None


def _encryption(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    expected = "SSE-S3 or SSE-KMS" if spec.standard.kms else "SSE-S3"
    if not state.encryption:
        return Deviation(expected, "none", actions.encryption(spec, account))
    if state.encryption == "AES256" or (spec.standard.kms and state.encryption in _KMS):
        return None
    loosens = "new objects are no longer encrypted with your own key"
    return Deviation(expected, state.encryption, actions.encryption(spec, account), loosens)


def _tls_only(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    return _statement(TLS_ONLY_SID, spec, state, account)


def _log_delivery(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    return _statement(LOG_DELIVERY_SID, spec, state, account)


def _statement(
    sid: str, spec: BucketSpec, state: BucketState, account: Account
) -> Deviation | None:
    fix = actions.policy(spec, state, account)
    return statement_deviation(sid, state.policy, actions.policy_statements(spec, account), fix)


def _public_access(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    missing = [block for block in BLOCKS if not state.public_access.get(block)]
    if not missing:
        return None
    found = f"not set: {', '.join(missing)}"
    return Deviation("all four blocks", found, actions.public_access(spec, account))


def _owner_enforced(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    if state.ownership == OWNER_ENFORCED:
        return None
    return Deviation(OWNER_ENFORCED, state.ownership or "not set", actions.ownership(spec, account))


def _lifecycle(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    wanted = _by_name(actions.lifecycle_rules(spec))
    there = _by_name(rule for rule in state.lifecycle if actions.is_own(spec, rule))
    wrong = sorted(n for n in {*wanted, *there} if wanted.get(n) != there.get(n))
    if not wrong:
        return None
    found = "; ".join(_difference(n, there.get(n), wanted.get(n)) for n in wrong)
    expected = f"the lifecycle rules {', '.join(wanted)}"
    return Deviation(expected, found, actions.lifecycle(spec, state, account))


def _by_name(rules: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(rule.get("ID")): _comparable(rule) for rule in rules}


def _difference(
    name: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None
) -> str:
    if found is None:
        return f"no rule {name}"
    if wanted is None:
        return f"a rule {name}, of no table that moves"
    return f"{name}: {', '.join(_differing(found, wanted))} differ"


def _comparable(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule in a form to compare: S3 may return lists in any order."""
    return {
        name: sorted(value, key=str) if isinstance(value, list) else value
        for name, value in rule.items()
    }


def _differing(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))


def _current_objects(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    harmful = [r for r in state.lifecycle if not actions.is_own(spec, r) and any(_harm(r, spec))]
    if not harmful:
        return None
    harm = [f"rule {rule.get('ID')} {what}" for rule in harmful for what in _harm(rule, spec)]
    return Deviation(
        "no lifecycle rule that takes current objects away",
        "; ".join(harm),
        actions.lifecycle(spec, state, account, without=harmful),
        "a lifecycle rule that somebody wrote is removed",
    )


def _harm(rule: Mapping[str, Any], spec: BucketSpec) -> Iterator[str]:
    """The harm a rule does to current objects, which are the only ones that tables refer to."""
    if rule.get("Status") != "Enabled":
        return
    expiration = rule.get("Expiration", {})
    if "Days" in expiration or "Date" in expiration:
        yield "deletes current objects"
    tiers = {transition.get("StorageClass") for transition in rule.get("Transitions", ())}
    if spec.purpose in _TABLES and (unreadable := sorted(tiers & _UNREADABLE)):
        yield f"moves current objects to {', '.join(unreadable)}, where they cannot be read"


def _tags(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    return tags_deviation(spec.tags, state.tags, actions.tags(spec, state, account))


def _access_logging(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    target = state.logging.get("TargetBucket", "")
    if spec.purpose is Purpose.LOGS:
        if target != spec.name:
            return None
        off = actions.no_access_logging(spec, account)
        return Deviation("not into itself", target, off, "its own access is no longer logged")
    log = actions.access_logging(spec, account)
    if not target:
        return Deviation(f"to {spec.logs}", "off", log)
    if target != spec.logs:
        return Deviation(f"to {spec.logs}", f"to {target}", log, f"{target} no longer gets logs")
    prefix = state.logging.get("TargetPrefix", "")
    if not prefix.startswith(ACCESS_LOGS):  # the service may write below this prefix only
        return Deviation(f"under {ACCESS_LOGS}", f"under {prefix or '/'}", log)
    return None


# In the order in which apply fixes them: the policy before public policies are blocked, which may
# refuse it, and before the ACLs that it replaces are turned off; logging and notifications last,
# when access is restricted.
RULES = (
    Rule("versioning", "Versioning meets the standard.", _versioning),
    Rule("encryption", "New objects are encrypted.", _encryption),
    Rule("tls_only", "Requests without TLS are denied.", _tls_only),
    Rule(
        "log_delivery",
        "S3 may deliver access logs of this account's buckets.",
        _log_delivery,
        frozenset({Purpose.LOGS}),
    ),
    Rule("public_access", "All public access is blocked.", _public_access),
    Rule("owner_enforced", "The bucket owner owns every object; ACLs are off.", _owner_enforced),
    Rule("lifecycle", "Lifecycle rules meet the standard.", _lifecycle),
    Rule(
        "current_objects",
        "No lifecycle rule takes away what a table may refer to.",
        _current_objects,
        _KEPT,
    ),
    Rule("tags", "The cost allocation tags are set.", _tags),
    Rule(
        "access_logging", "Access is logged, by the logs bucket not into itself.", _access_logging
    ),
    Rule(
        "notifications",
        "The queue of arrivals is notified of its objects.",
        notification.judge,
        frozenset({Purpose.RAW_LANDING}),
    ),
)
