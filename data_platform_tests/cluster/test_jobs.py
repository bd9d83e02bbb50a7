"""A job of a service, whose driver `spark-submit` starts and whose executors are on other hosts."""

from collections.abc import Callable

from data_platform_tests.cluster.conftest import DEFAULTS
from data_platform_tests.support.corner_shop.tables import LANDED, TABLES
from data_platform_tests.support.job_service import ENVIRONMENT
from data_platform_tests.support.remote_jobs import RemoteJobs
from tools.cluster import Cluster
from tools.servers import S3Server


def test_jobs_build_tables_on_hosts_that_have_nothing_but_the_jobs_archive(
    remote_on: Callable[[S3Server], RemoteJobs], store: S3Server, hosts: Cluster
) -> None:
    remote = remote_on(store)
    defaults = (line.partition(" ") for line in DEFAULTS.strip().splitlines())
    ours = {
        **{name: value.strip() for name, _, value in defaults},
        "spark.driver.host": hosts.gateway,
        "spark.driver.bindAddress": hosts.gateway,
        "spark.pyspark.python": str(hosts.python),
        "spark.pyspark.driver.python": str(ENVIRONMENT / "bin/python"),
    }
    before = {app["id"] for app in hosts.state()["completedapps"]}
    with (
        remote.home("there", TABLES[:2], **remote.serverless()) as home,
        remote.service(home, master=hosts.url, config=ours) as jobs,
    ):
        ended = home.run()

        output = "\n".join(path.read_text()[-3000:] for path in jobs.outputs)
        assert [ran.state for ran in ended] == ["held back"], (ended, output)
        counts = home.counts("bronze/corner/sales")
        assert counts == {day: len(lines) for day, lines in LANDED.items()}
        assert set(home.materialized("silver/corner/sales")) == set(LANDED) - {"2011-03-03"}
        assert len(jobs.commands) == 2
        assert all(hosts.url in command for command in jobs.commands)
        completed = [app for app in hosts.state()["completedapps"] if app["id"] not in before]
        assert len(completed) == 2 and all(app["cores"] for app in completed), completed
