"""Messages as S3, SNS and EventBridge write them, and ones that nobody should."""

import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_platform.landing.arrivals.notifications import Hint, PoisonMessage, hints
from data_platform_tests.support.s3_events import (
    REMOVED,
    TEST_EVENT,
    WAYS,
    bridged,
    record,
    s3,
    through_sns,
)

KEYS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A message of which one part, at any depth, is something else or gone."""
    body = json.loads(WAYS[draw(st.sampled_from(sorted(WAYS)))](draw(KEYS)))
    part = body
    while True:
        places = list(part) if isinstance(part, dict) else list(range(len(part)))
        place = draw(st.sampled_from(places))
        if not (isinstance(part[place], dict | list) and part[place] and draw(st.booleans())):
            break
        part = part[place]
    if draw(st.booleans()):
        part[place] = draw(ANYTHING)
    else:
        del part[place]
    return json.dumps(body)


@pytest.mark.parametrize("way", WAYS)
@given(key=KEYS)
@example("shop/red flower+1%2B.csv")
@example("büro/Ω 100%.csv")
@example("a%")
def test_every_key_arrives_as_it_is_whichever_way_it_came(way: str, key: str) -> None:
    assert hints(WAYS[way](key)) == [Hint("landing", key)]


def test_a_key_may_be_encoded_as_paths_are_too() -> None:
    body = json.loads(s3("x"))
    body["Records"][0]["s3"]["object"]["key"] = quote("red flower/+.csv", safe="")
    assert hints(json.dumps(body)) == [Hint("landing", "red flower/+.csv")]


def test_every_record_of_a_message_counts() -> None:
    body = json.dumps({"Records": [record("a"), record("b", REMOVED), record("c", "s3:Other")]})
    assert [hint.key for hint in hints(body)] == ["a", "b"]


@pytest.mark.parametrize(
    "name",
    [
        "ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectCreated:Copy",
        "ObjectRemoved:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
    ],
)
def test_what_changes_content_is_a_hint(name: str) -> None:
    assert hints(s3("a", name)) == [Hint("landing", "a")]


@pytest.mark.parametrize(
    "body",
    [
        TEST_EVENT,
        through_sns(TEST_EVENT),
        s3("a", "ObjectTagging:Put"),
        s3("a", "ObjectRestore:Completed"),
        s3("a", "AnEventOf2031:Put"),
        bridged("a", "Object Tags Added"),
    ],
)
def test_events_of_s3_that_change_no_content_say_nothing(body: str) -> None:
    assert hints(body) == []


def test_a_delete_through_eventbridge_is_a_hint() -> None:
    assert hints(bridged("a b.csv", "Object Deleted")) == [Hint("landing", "a b.csv")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "fields are: none"),
        ('{"order": 1, "amount": 2}', "fields are: amount, order"),
        ('{"Records": []}', "fields are: Records"),
        ('{"Records": [{"eventSource": "aws:dynamodb"}]}', "eventSource is 'aws:dynamodb'"),
        ('{"Records": ["a"]}', "eventSource is None"),
        (json.dumps({"Records": [record("a"), {"eventSource": "aws:ses"}]}), "'aws:ses'"),
        ('{"source": "aws.ec2", "detail-type": "x", "detail": {}}', "fields are: detail"),
        (through_sns("hello"), "not JSON"),
        ('{"Type": "SubscriptionConfirmation", "SubscribeURL": "https://x"}', "confirmed"),
        (s3(""), "without a bucket or a key"),
        (s3("a", bucket=""), "without a bucket or a key"),
        (bridged("a\0b"), "cannot be stored"),
        (json.dumps({"Records": [{**record("a"), "s3": None}]}), "without a bucket or a key"),
        (s3("x").replace('"key": "x"', '"key": "%ff"'), "not UTF-8"),
        (bridged("\ud800"), "not UTF-8"),
    ],
)
def test_what_is_no_event_of_s3_is_poison_and_says_why(body: str, reason: str) -> None:
    with pytest.raises(PoisonMessage, match=reason):
        hints(body)


@given(st.text(max_size=50) | ANYTHING.map(json.dumps) | damaged())
def test_whatever_a_message_holds_it_is_understood_or_poison(body: str) -> None:
    try:
        found = hints(body)
    except PoisonMessage as error:
        assert str(error)
    else:
        assert all(hint.bucket and hint.key.encode() for hint in found)
