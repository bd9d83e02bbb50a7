"""The reference of settings, commands, metrics and alerts, as Markdown generated from the code."""

import inspect
from collections.abc import Callable, Iterator, Mapping

import click

from data_platform.cli.main import main
from data_platform.settings.environment import DIFFERENCES
from data_platform.settings.model import Environment
from data_platform.settings.variables import VARIABLES, Variable
from data_platform.telemetry.alert_rules import ALERT_RULES, Above, AlertRule, Increase
from data_platform.telemetry.metrics import METRICS


def settings() -> str:
    """A table of all settings: variable, meaning, default."""
    rows = (f"| `{each.variable}` | {each.meaning} | {_default(each)} |" for each in VARIABLES)
    return "\n".join(["| variable | meaning | default |", "|---|---|---|", *rows])


def _default(variable: Variable) -> str:
    """The default's description, or each value with the environments that have it."""
    if variable.default:
        return variable.default
    environments: dict[str, list[Environment]] = {}
    for environment, values in DIFFERENCES.items():
        value = values.get(variable.name, "")
        environments.setdefault(f"`{value}`" if value else "none, must be set", []).append(
            environment
        )
    return "; ".join(
        f"{value} in {' and '.join(f'`{each}`' for each in where)}"
        for value, where in environments.items()
    )


def commands() -> str:
    """A section for each command, with the arguments and options that `--help` shows."""
    return "\n\n".join(_sections(main, "data-platform", level=2))


def _sections(group: click.Group, path: str, level: int) -> Iterator[str]:
    for name in sorted(group.commands):
        command = group.commands[name]
        if command.hidden:
            continue
        yield _section(command, f"{path} {name}", level)
        if isinstance(command, click.Group):
            yield from _sections(command, f"{path} {name}", level + 1)


def _section(command: click.Command, path: str, level: int) -> str:
    context = click.Context(command, info_name=path)
    said = inspect.cleandoc(command.help or "").replace("\b\n", "")
    parts = [f"{'#' * level} `{path.removeprefix('data-platform ')}`", said]
    if not isinstance(command, click.Group):
        usage = " ".join([path, *command.collect_usage_pieces(context)])
        parts.append(f"```console\n$ {usage}\n```")
    records = (each.get_help_record(context) for each in command.params)
    options = [record for record in records if record and record[1]]
    if options:
        rows = [
            f"| `{name}` | {meaning.replace('|', chr(92) + '|')} |" for name, meaning in options
        ]
        parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def metrics() -> str:
    """A table of all metrics: name, kind, unit, labels, meaning."""
    rows = (
        f"| `{each.name}` | {each.kind} | `{each.unit}` | {', '.join(each.labels)} | "
        f"{each.description} |"
        for each in METRICS
    )
    head = ["| metric | kind | unit | labels | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def alerts() -> str:
    """A table of all alert rules: name, severity, condition, meaning, what to do."""
    rows = (
        f"| {each.name} | {each.severity} | {_condition(each)} | {each.summary} | {each.action} |"
        for each in ALERT_RULES
    )
    head = ["| alert | severity | when | it means | what to do |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _condition(rule: AlertRule) -> str:
    where = ", ".join(f"{label} {value}" for label, value in rule.where.items())
    metric = f"`{rule.metric.name}`" + (f" ({where})" if where else "")
    match rule.condition:
        case Above(threshold, minutes):
            return f"{metric} above {threshold:g} for {minutes} minutes"
        case Increase(threshold, minutes):
            return f"{metric} grew by more than {threshold:g} in {minutes} minutes"
        case absent:
            return f"{metric} absent for {absent.minutes} minutes"


GENERATED: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "commands": commands,
    "metrics": metrics,
    "alerts": alerts,
}
