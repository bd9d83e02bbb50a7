"""The AWS account that owns the buckets and queues, and boto3's clients for it."""

from dataclasses import dataclass
from typing import Any

from data_platform.buckets.errors import BucketError, lacking
from data_platform.settings.model import Environment, Settings
from data_platform.settings.values import SettingsError

# AWS's partitions other than `aws`, by the prefix of their regions' names.
_CLOUDS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}

_SQS_SETTLING = 1.0  # says its reference of CreateQueue; one process knows its own at once


@dataclass(frozen=True)
class Account:
    """An AWS account in a region. `partition` is AWS's word in ARNs: `aws`, `aws-cn`, `aws-us-gov`.

    `endpoint` is empty for AWS itself.
    """

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
    """boto3's clients, by service. A queue can be used `settling` seconds after its creation."""

    s3: Any
    sqs: Any
    settling: float = 0.0


def connect(settings: Settings) -> tuple[Account, Clients]:
    """The account of the current credentials, and its clients.

    Raises SettingsError if the settings name no cloud, BucketError if the credentials are missing
    or refused.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    _require_cloud(settings)
    region, endpoint = settings.aws_region, settings.aws_endpoint
    # A bucket's name in front of an emulator's host would have to be resolved by DNS.
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
    """The account with this twelve-digit id, without a request; the region gives the partition.

    Raises SettingsError if the settings name no cloud.
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
