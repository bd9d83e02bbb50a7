"""dagster-aws's private API: nothing else in the project uses it.

Its client of EMR Serverless reads messages from CloudWatch after the job, and where they come
through S3 warns that none can be received. The version is pinned in `pyproject.toml`, and a test
compares what is overridden here with it.
"""

from typing import Any

from dagster_aws.pipes import PipesEMRServerlessClient


class EMRServerlessClient(PipesEMRServerlessClient):
    """Dagster's client, whose messages come through S3 while the job runs."""

    def _read_messages(self, context: Any, session: Any, response: Any) -> None:
        pass
