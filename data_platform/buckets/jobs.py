"""Grants to launch jobs of EMR or Glue, and those of the jobs; none where no service runs them."""

from collections.abc import Iterator

from data_platform.buckets.grants import TLS, Grant, Jobs, Site, listing, objects

_PACKAGE = "the package of a job belongs to no table: below its own prefix"
_MESSAGES = "messages between jobs and Dagster belong to no table: below their own prefix"
_RUNS = "a job's id is known only once it runs: all of this application or virtual cluster"

# Of EMR's services: where an application's ARN has its id, and what is asked about a job.
_EMR = {
    "emr-serverless": ("applications", ("GetJobRun", "CancelJobRun", "TagResource")),
    "emr-containers": ("virtualclusters", ("DescribeJobRun", "CancelJobRun", "TagResource")),
}


def running_as_job(site: Site) -> Iterator[Grant]:
    """What a job does beside building: reading its package, and exchanging messages."""
    if site.jobs is None:
        return
    yield objects(site, "ReadPackage", ["GetObject"], f"{site.jobs.package}/*", why=_PACKAGE)
    yield listing(site, site.jobs.package)
    messages = f"{site.jobs.messages}/*"
    yield objects(site, "ExchangeMessages", ["GetObject", "PutObject"], messages, why=_MESSAGES)


def launching(site: Site) -> Iterator[Grant]:
    """Starting jobs, following and canceling them, and exchanging messages."""
    if site.jobs is None:
        return
    exchanging = ["GetObject", "PutObject", "DeleteObject"]
    messages = f"{site.jobs.messages}/*"
    yield objects(site, "ExchangeMessages", exchanging, messages, why=_MESSAGES)
    yield listing(site, site.jobs.messages)
    yield from _glue(site, site.jobs) if site.jobs.service == "glue" else _emr(site, site.jobs)


def _glue(site: Site, jobs: Jobs) -> Iterator[Grant]:
    yield Grant(
        sid="RunJobs",
        actions=("glue:StartJobRun", "glue:GetJobRun", "glue:BatchStopJobRun"),
        resources=(site.arn("glue", f"job/{jobs.target}"),),
        conditions=TLS,
    )


def _emr(site: Site, jobs: Jobs) -> Iterator[Grant]:
    kind, asked = _EMR[jobs.service]
    place = site.arn(jobs.service, f"/{kind}/{jobs.target}")
    only = {"StringEquals": {"emr-containers:ExecutionRoleArn": jobs.role}}
    yield Grant(
        sid="StartJobs",
        actions=(f"{jobs.service}:StartJobRun",),
        resources=(place,),
        conditions={**TLS, **(only if jobs.service == "emr-containers" else {})},
    )
    yield Grant(
        sid="FollowJobs",
        actions=tuple(f"{jobs.service}:{action}" for action in asked),
        resources=(f"{place}/jobruns/*",),
        conditions=TLS,
        why=_RUNS,
    )
    if jobs.service == "emr-serverless":
        yield Grant(
            sid="PassJobRole",
            actions=("iam:PassRole",),
            resources=(jobs.role,),
            conditions={"StringEquals": {"iam:PassedToService": "emr-serverless.amazonaws.com"}},
        )
