"""Spark on S3: the configuration of Hadoop's s3a for the store and its committer, no credentials.

The jars are pinned in `tools/jars.lock` and fetched by `make jars`, before any session starts.
"""

from collections.abc import Mapping

from data_platform.settings.model import Settings
from data_platform.settings.values import SettingsError
from data_platform.storage.object_store import is_object

_COMMON: Mapping[str, str] = {
    # The metadata has `s3://` paths, which every other reader expects.
    "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    # AWS's default chain: the environment, the pod's role, the instance's role.
    "fs.s3a.aws.credentials.provider": (
        "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
    ),
    # Files that Spark itself writes appear when their job commits and are never renamed. Spark
    # would use this committer for s3a paths only, and the classic one for s3.
    "fs.s3a.committer.name": "magic",
    "mapreduce.outputcommitter.factory.scheme.s3": (
        "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory"
    ),
    # Parts wait in memory: buffers on disk need the local file system that the session replaces.
    "fs.s3a.fast.upload.buffer": "bytebuffer",
    "fs.s3a.multipart.size": "16M",
    # Files are read footer first, then the selected columns.
    "fs.s3a.experimental.input.fadvise": "random",
    # With backoff and jitter, half a minute in all; the two multiply.
    "fs.s3a.attempts.maximum": "3",
    "fs.s3a.retry.limit": "4",
    "fs.s3a.retry.throttle.limit": "4",
}


def s3a_config(settings: Settings) -> dict[str, str]:
    """Spark's configuration if landing or warehouse are on S3, else empty.

    Raises SettingsError if the jars are missing.
    """
    if not (is_object(settings.landing_uri) or is_object(settings.warehouse_uri)):
        return {}
    jars = sorted(settings.spark_jars.glob("*.jar"))
    if not jars:
        raise SettingsError(
            f"there are no jars in {settings.spark_jars}, and Spark reads S3 with them; fetch them "
            "with `make jars`, or set DATA_PLATFORM_SPARK_JARS to where they are"
        )
    hadoop = {**_COMMON, "fs.s3a.endpoint.region": settings.aws_region}
    if settings.aws_endpoint:
        secure = str(settings.aws_endpoint.startswith("https:")).lower()
        hadoop |= {
            "fs.s3a.endpoint": settings.aws_endpoint,
            "fs.s3a.path.style.access": "true",
            "fs.s3a.connection.ssl.enabled": secure,
        }
    return {
        "spark.jars": ",".join(str(jar) for jar in jars),
        **{f"spark.hadoop.{name}": value for name, value in hadoop.items()},
    }
