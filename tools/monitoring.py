"""Write the dashboard and the alert rules below docker/: `python -m tools.monitoring`.

A test compares the files with what is written here; run this after a change of the metrics, of the
alert rules, or of the dashboard's sections.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from data_platform.telemetry.alert_rules import ALERT_RULES
from tools import signoz
from tools.jars import ROOT
from tools.prometheus_rules import rule_file


def files() -> Mapping[Path, str]:
    """Each file and its text."""
    rules = [signoz.alert_rule(rule) for rule in ALERT_RULES]
    return {
        ROOT / "docker/signoz/dashboard.json": _text(signoz.dashboard()),
        ROOT / "docker/signoz/alerts.json": _text(rules),
        ROOT / "docker/prometheus/alerts.yaml": rule_file(),
    }


def _text(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def main() -> None:
    for file, text in files().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
