"""What a release says of the platform's tables, by which a rollback is refused."""

import yaml

from data_platform.databases.migration import HEAD
from data_platform_tests.support.chart import CHART, Chart, Manifest
from tools.release_tables import Tables, tables_in, tables_of_chart


def test_a_release_says_to_which_version_it_migrates_the_tables_and_a_branch_that_it_does_not(
    helm: Chart,
) -> None:
    def told(more: Manifest, phase: str) -> Tables | None:
        """What is read of the hooks, which Helm keeps with the phase of their last run."""
        hooks = [
            {"name": m["metadata"]["name"], "manifest": yaml.dump(m), "last_run": {"phase": phase}}
            for m in helm.manifests("staging", more)
            if "helm.sh/hook" in m["metadata"].get("annotations", {})
        ]
        assert len(hooks) > 1
        return tables_in({"hooks": hooks})

    assert told({}, "Succeeded") == Tables(HEAD, migrated=True)
    assert told({}, "Running") == Tables(HEAD, migrated=True)  # by now perhaps
    assert told({}, "Failed") == Tables(HEAD, migrated=False)
    assert told({"environment": "pr_12"}, "Succeeded") is None
    assert tables_of_chart(CHART) == HEAD
