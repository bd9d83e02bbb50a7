"""Resolve the jars below and their dependencies into tools/jars.lock: `make jars-lock`.

Spark's own resolver (Ivy) finds the dependencies; with the lock nothing is resolved where the
platform runs.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from tools.jars import CENTRAL, LOCK, SPARK, Jar, download, sha256

HADOOP = "3.4.2"  # the version of Spark's own hadoop-client jars
SPARK_CLOUD = "4.1.2"  # the magic committer; the newest of Spark 4.1
AWS = "2.29.52"  # what hadoop-aws was built with
POSTGRES = "17.11.0"
KEYCLOAK = "26.4.7"

PACKAGES = (
    f"org.apache.hadoop:hadoop-aws:{HADOOP}",
    f"org.apache.spark:spark-hadoop-cloud_2.13:{SPARK_CLOUD}",
    *(
        f"software.amazon.awssdk:{name}:{AWS}"
        for name in ("s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client")
    ),
)
EXCLUDED = (
    # The SDK of all AWS services, 642 MB: the modules above replace it.
    "software.amazon.awssdk:bundle",
    # Spark includes these.
    "io.netty:*",
    "org.slf4j:*",
    "commons-logging:*",
    "commons-codec:*",
    "org.apache.httpcomponents:*",
    "org.apache.hadoop:hadoop-client-*",
    "com.google.*:*",
    "com.fasterxml.*:*",
    "joda-time:*",
    "org.apache.spark:spark-core_2.13",
    # Other clouds.
    "org.apache.hadoop:hadoop-cloud-storage",
    "org.apache.hadoop:hadoop-azure*",
    "org.apache.hadoop:hadoop-openstack",
    "org.apache.hadoop:hadoop-aliyun",
    "org.apache.hadoop:hadoop-huaweicloud",
)
# Self-contained jars.
ELASTICMQ = ("org.elasticmq:elasticmq-server_2.13:1.7.1",)
# Spark's resolver treats these as Spark's own, or resolves versions that do not exist.
ELASTICMQ_EXCLUDED = ("org.slf4j:*",)
ELASTICMQ_BESIDE = ("org.scala-lang:scala-library:2.13.18", "org.slf4j:slf4j-api:2.0.17")
READERS = (
    "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.11.0",
    "org.postgresql:postgresql:42.7.8",  # where a catalog is
)
SERVERS = tuple(
    f"io.zonky.test.postgres:embedded-postgres-binaries-{platform}:{POSTGRES}"
    for platform in ("linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8")
)
IDENTITY = (f"org.keycloak:keycloak-quarkus-dist:{KEYCLOAK}:tar.gz",)

HEAD = """\
# Jars from a Maven repository, pinned: group:artifact:version = SHA-256. What is not a jar has its
# extension: group:artifact:version:extension.
# Made by `make jars-lock` from the lists in tools/jars_lock.py; fetched by `make jars` and
# `make services`. A section is the directory below .cache/ that its jars are fetched into.
"""
SECTIONS = {
    SPARK: "What Spark needs to read and write S3, beside what it brings.",
    "readers": "An outside reader of the published tables, for tests.",
    "elasticmq": "An SQS queue for tests: ElasticMQ with all that it needs.",
    "postgres": "PostgreSQL for tests; `make services` takes the one of the machine.",
    "keycloak": "An OpenID Connect provider for tests.",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        jars = {
            SPARK: _resolved(PACKAGES, EXCLUDED),
            "readers": list(_as_they_are(READERS, Path(directory))),
            "elasticmq": [
                *_resolved(ELASTICMQ, ELASTICMQ_EXCLUDED),
                *_as_they_are(ELASTICMQ_BESIDE, Path(directory)),
            ],
            "postgres": list(_as_they_are(SERVERS, Path(directory))),
            "keycloak": list(_as_they_are(IDENTITY, Path(directory))),
        }
    LOCK.write_text("\n".join([HEAD, *_lines(jars)]), "utf-8")
    print(f"==> {LOCK.name}: " + ", ".join(f"{len(jars[name])} {name}" for name in jars))


def _resolved(packages: Sequence[str], excluded: Sequence[str]) -> list[Jar]:
    """The packages and their dependencies. Spark resolves once per JVM, so each has a process."""
    fresh = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory, ProcessPoolExecutor(1, fresh) as process:
        process.submit(_fill, packages, excluded, directory).result()
        return [_jar(file) for file in Path(directory).glob("cache/*/*/*/*.jar")]


def _fill(packages: Sequence[str], excluded: Sequence[str], directory: str) -> None:
    os.environ["DEFAULT_ARTIFACT_REPOSITORY"] = os.environ.get("MAVEN_REPOSITORY") or CENTRAL
    SparkSession.Builder().config(
        map={
            "spark.jars.ivy": directory,
            "spark.jars.packages": ",".join(packages),
            "spark.jars.excludes": ",".join(excluded),
            "spark.ui.enabled": "false",
        }
    ).getOrCreate().stop()


def _jar(file: Path) -> Jar:
    group, artifact = file.parts[-4:-2]
    version = file.stem.removeprefix(f"{artifact}-")
    return Jar(group=group, artifact=artifact, version=version, sha256=sha256(file))


def _as_they_are(coordinates: Iterable[str], directory: Path) -> Iterator[Jar]:
    for each in coordinates:
        jar = Jar.parse(each, sha256="0" * 64)  # not known yet
        yield replace(jar, sha256=sha256(download(jar, directory)))


def _lines(sections: dict[str, list[Jar]]) -> Iterator[str]:
    for name, jars in sections.items():
        yield f"# {SECTIONS[name]}\n[{name}]"
        yield from sorted(f"{jar.coordinates} = {jar.sha256}" for jar in jars)
        yield ""


if __name__ == "__main__":
    main()
