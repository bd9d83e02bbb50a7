"""A part of AWS's command line, on boto3: `aws SERVICE OPERATION --parameter value …`, and waiters.

As with the original, an operation's parameters are those of the service's model, and `file://`
reads a value. Its own commands, like `aws s3 cp`, are not here.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name
from botocore.model import OperationModel


def main(arguments: Sequence[str]) -> None:
    service, command, *options = arguments
    client: Any = boto3.client(service)  # type: ignore[call-overload]
    model = client.meta.service_model
    if command == "wait":
        waiter = client.get_waiter(options[0].replace("-", "_"))
        operation = model.operation_model(waiter.config.operation)
        waiter.wait(**parameters(operation, options[1:]))
        return
    operations = {xform_name(each, "-"): each for each in model.operation_names}
    operation = model.operation_model(operations[command])
    answer = getattr(client, xform_name(operation.name))(**parameters(operation, options))
    print(json.dumps(answer, default=str))


def parameters(operation: OperationModel, options: Sequence[str]) -> dict[str, Any]:
    """The operation's parameters. Raises KeyError for an option that it does not have."""
    shape: Any = operation.input_shape
    names = {f"--{xform_name(name, '-')}": name for name in shape.members}
    starts = [place for place, each in enumerate(options) if each.startswith("--")]
    ends = [*starts[1:], len(options)]
    given = {
        names[options[start]]: options[start + 1 : end]
        for start, end in zip(starts, ends, strict=True)
    }
    return {name: _value(shape.members[name].type_name, each) for name, each in given.items()}


def _value(kind: str, values: Sequence[str]) -> object:
    if kind == "boolean" and not values:
        return True
    [value] = values
    if kind == "string":
        file = value.removeprefix("file://")
        return value if file == value else Path(file).read_text("utf-8")
    return {"integer": int}[kind](value)


if __name__ == "__main__":
    main(sys.argv[1:])
