"""What S3 answers, and what is said of it."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from data_platform.buckets.errors import permission, refused


def answer(code: str, operation: str, message: str = "because") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("operation", "needed"),
    [
        ("PutBucketEncryption", "s3:PutEncryptionConfiguration"),
        ("GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
        ("PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
        ("ListBuckets", "s3:ListAllMyBuckets"),
        ("PutBucketTagging", "s3:PutBucketTagging"),
        ("GetBucketNotificationConfiguration", "s3:GetBucketNotification"),
    ],
)
def test_a_permission_has_iams_name(operation: str, needed: str) -> None:
    assert permission(operation) == needed
    assert f"bucket b: {operation} needs {needed}" in str(refused("b", answer("403", operation)))


@pytest.mark.parametrize(
    ("code", "operation", "way_out"),
    [
        ("AccessDenied", "PutBucketPolicy", "no statement of its policy may grant public access"),
        ("OperationAborted", "PutBucketPolicy", "try again in a minute"),
        ("BucketAlreadyExists", "CreateBucket", "choose another DATA_PLATFORM_PROJECT"),
        ("InvalidBucketAclWithObjectOwnership", "PutBucketOwnershipControls", "--acl private"),
        ("CrossLocationLoggingProhibited", "PutBucketLogging", "another region"),
    ],
)
def test_a_refusal_says_the_way_out(code: str, operation: str, way_out: str) -> None:
    said = str(refused("acme-temp-prod", answer(code, operation)))

    assert "acme-temp-prod" in said and operation in said and way_out in said


def test_a_refusal_of_sqs_is_about_a_queue() -> None:
    denied = refused("q", answer("AccessDeniedException", "SetQueueAttributes"), "sqs")
    code = "AWS.SimpleQueueService.QueueDeletedRecently"
    deleted = refused("q", answer(code, "CreateQueue"), "sqs")
    undecided = refused("q", answer("KMS.AccessDeniedException", "SetQueueAttributes"), "sqs")

    assert str(denied) == "queue q: SetQueueAttributes needs sqs:SetQueueAttributes"
    assert str(deleted).startswith("queue q: CreateQueue failed") and "a minute" in str(deleted)
    assert "KMS.AccessDeniedException" in str(
        undecided
    )  # it is the key's permission that is missing


@pytest.mark.parametrize("operation", ["CreateQueue", "SetQueueAttributes"])
def test_a_dead_letter_queue_that_sqs_does_not_know_yet_is_asked_for_again(operation: str) -> None:
    reason = "Value {...} for parameter RedrivePolicy is invalid. Reason: Dead letter target does "
    refusal = answer("InvalidParameterValue", operation, f"{reason}not exist.")

    assert str(refused("q", refusal, "sqs")).endswith("try again in a minute")


def test_a_notification_that_s3_does_not_take_says_what_may_be_wrong() -> None:
    said = str(refused("b", answer("InvalidArgument", "PutBucketNotificationConfiguration")))

    assert "does not let S3 send" in said and "KMS key" in said and "a minute" in said


def test_a_notification_that_is_refused_for_another_reason_says_nothing_of_whom_it_tells() -> None:
    busy = str(refused("b", answer("OperationAborted", "PutBucketNotificationConfiguration")))
    gone = str(refused("b", answer("NoSuchBucket", "PutBucketNotificationConfiguration")))

    assert busy.endswith("another change of it is under way; try again in a minute")
    assert gone == "bucket b: PutBucketNotificationConfiguration failed: NoSuchBucket: because"


def test_any_other_refusal_is_said_as_s3_says_it() -> None:
    said = str(refused("b", answer("Strange", "HeadBucket")))

    assert said == "bucket b: HeadBucket failed: Strange: because"


def test_no_answer_is_said_so() -> None:
    silent = EndpointConnectionError(endpoint_url="http://nowhere")

    assert "bucket b: S3 gave no answer" in str(refused("b", silent))
