"""The queues of the standard: what it must say whoever edits it."""

import pytest

from data_platform.buckets.queue_standard import queue_specs
from data_platform.buckets.standard import QueuePurpose
from data_platform.settings.model import Environment
from data_platform.settings.values import LONGEST_PROJECT

DEAD, ARRIVALS = queue_specs("acme", Environment.PROD)  # the dead letters' is made first
FOURTEEN_DAYS = 1_209_600
SQS_LONGEST_NAME = 80


def test_there_are_two_queues_and_the_dead_letters_is_made_first() -> None:
    assert (DEAD.purpose, ARRIVALS.purpose) == (QueuePurpose.DEAD, QueuePurpose.ARRIVALS)
    assert (DEAD.name, ARRIVALS.name) == ("acme-arrivals-dead-prod", "acme-arrivals-prod")


def test_messages_wait_as_long_as_sqs_lets_them_and_are_tried_ten_times() -> None:
    assert DEAD.standard.retention == ARRIVALS.standard.retention == FOURTEEN_DAYS
    assert (ARRIVALS.standard.visibility, ARRIVALS.standard.max_receives) == (120, 10)


def test_queues_are_tagged_for_the_bill() -> None:
    assert ARRIVALS.tags == {
        "project": "acme",
        "environment": "prod",
        "purpose": "arrivals",
        "owner": "team:platform",
        "managed-by": "data-platform",
    }


@pytest.mark.parametrize("environment", Environment)
def test_the_longest_project_still_gives_names_that_sqs_takes(environment: Environment) -> None:
    names = [spec.name for spec in queue_specs("p" * LONGEST_PROJECT, environment)]

    assert max(map(len, names)) <= SQS_LONGEST_NAME
