"""The account whose buckets and queues these are, and the clients that reach it."""

from dataclasses import dataclass
from typing import Any

from data_platform.buckets.errors import BucketError, lacking
from data_platform.settings.model import Environment, Settings
from data_platform.settings.values import SettingsError

# AWS's separate clouds, by the beginning of their regions' names.
_CLOUDS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}

_SQS_SETTLING = 1.0  # says its reference of CreateQueue; one process knows its own at once


@dataclass(frozen=True)
class Account:
    """`partition` is the part of an ARN that tells AWS's separate clouds apart: `aws`, `aws-cn`.
    `endpoint` is empty for AWS itself."""

    id: str
    partition: str
    region: str
    endpoint: str = ""

    def arn(self, resource: str) -> str:
        """The ARN of a bucket, or of `bucket/key`."""
        return f"arn:{self.partition}:s3:::{resource}"

    def regional_arn(self, service: str, resource: str) -> str:
        """The ARN of something that belongs to a region and an account: all but buckets."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"


@dataclass(frozen=True)
class Clients:
    """boto3's, by the names of their services. `settling` is how many seconds after it is made a
    queue can be used."""

    s3: Any
    sqs: Any
    settling: float = 0.0


def connect(settings: Settings) -> tuple[Account, Clients]:
    """The account of the credentials at hand, and its clients.

    Raises SettingsError where the settings name no cloud, BucketError where the credentials are
    missing or refused.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    _require_cloud(settings)
    region, endpoint = settings.aws_region, settings.aws_endpoint
    # A name in front of an emulator's host would have to be resolved.
    style = {"addressing_style": "path"} if endpoint else {}
    config = Config(retries={"mode": "standard", "max_attempts": 5}, s3=style)
    session = boto3.Session(region_name=region)
    at: dict[str, Any] = {"endpoint_url": endpoint or None, "config": config}
    try:
        caller = session.client("sts", **at).get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        lacks = lacking("STS's GetCallerIdentity", endpoint)
        raise BucketError(f"there are no AWS credentials that work: {error}{lacks}") from error
    partition = caller["Arn"].split(":")[1]
    settling = 0.0 if endpoint else _SQS_SETTLING
    clients = Clients(session.client("s3", **at), session.client("sqs", **at), settling)
    return Account(caller["Account"], partition, region, endpoint), clients


def account_of(settings: Settings, id: str) -> Account:
    """An account by its twelve digits, without a request; the region says which of AWS's clouds.

    Raises SettingsError where the settings name no cloud.
    """
    _require_cloud(settings)
    region = settings.aws_region
    named = (cloud for prefix, cloud in _CLOUDS.items() if region.startswith(prefix))
    partition = next(named, "aws")
    return Account(id, partition, region, settings.aws_endpoint)


def _require_cloud(settings: Settings) -> None:
    if settings.environment is Environment.LOCAL and not settings.aws_endpoint:
        raise SettingsError(
            "DATA_PLATFORM_ENV is 'local', where directories are the buckets; set it to the "
            "environment whose buckets are meant, or DATA_PLATFORM_AWS_ENDPOINT to an emulator's"
        )
    if not settings.aws_region:
        raise SettingsError("DATA_PLATFORM_AWS_REGION must be set to work with buckets")
