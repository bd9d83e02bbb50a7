"""What is compared is what a function says, as its file says it."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.contracts.meaning import meaning_of

SAID = """lambda: F.col("net") == F.col("gross") + 1"""


def loaded(folder: Path, text: str) -> Any:
    """The text as a module of its own, in a file."""
    file = folder / f"rules_{len(list(folder.iterdir()))}.py"
    file.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def meant(folder: Path, text: str) -> str:
    return meaning_of(loaded(folder, text).rule)


@pytest.mark.parametrize(
    "text",
    [
        f"rule = {SAID}",
        f"# a comment\n\n\nrule = ({SAID})  # another",
        "rule = lambda: (\n  F.col('net')\n  == # why\n  (F.col(\"gross\")+1)\n)",
        f'a, rule = lambda: F.col("ä"), {SAID}',
        f"rule, b = {SAID}, lambda: F.col('b')",
        f"def made():\n    return {SAID}\nrule = made()",
    ],
)
def test_layout_comments_and_neighbours_do_not_change_what_a_lambda_says(
    tmp_path: Path, text: str
) -> None:
    assert meant(tmp_path, text) == meant(tmp_path, f"rule = {SAID}") != ""


@pytest.mark.parametrize(
    "text",
    [
        SAID.replace("1", "2"),
        SAID.replace("==", "<="),
        SAID.replace("net", "Net"),
        SAID.replace("lambda:", "lambda limit=1:"),
    ],
)
def test_another_constant_operator_column_or_argument_does(tmp_path: Path, text: str) -> None:
    assert meant(tmp_path, f"rule = {text}") != meant(tmp_path, f"rule = {SAID}")


def test_a_function_says_its_body_without_its_name_and_words(tmp_path: Path) -> None:
    body = "    limit = 2\n    return F.col('n') > limit"
    plain = meant(tmp_path, f"def rule():\n{body}")

    assert meant(tmp_path, f"def other():\n    'Why.'\n{body}\nrule = other") == plain
    decorated = f"import functools\n@functools.wraps(print)\ndef old():\n{body}\nrule = old"
    assert meaning_of(loaded(tmp_path, decorated).old) == ""  # it says to be `print`
    cached = f"import functools\n@functools.cache\ndef rule():\n{body}"
    assert meant(tmp_path, cached) == plain
    assert meant(tmp_path, f"def rule():\n{body.replace('2', '3')}") != plain


def test_lambdas_of_one_line_are_told_apart(tmp_path: Path) -> None:
    said = "lambda: F.col(1), lambda: F.col(2), lambda: lambda: lambda: F.col(3)"
    module = loaded(tmp_path, f"one, two, deep = {said}")

    functions = [module.one, module.two, module.deep, module.deep(), module.deep()()]
    assert len({meaning_of(function) for function in functions}) == len(functions)
    assert meaning_of(module.deep()()) == meant(tmp_path, "rule = lambda: F.col(3)")


def _exec(text: str) -> Callable:
    names: dict[str, Any] = {}
    exec(text, names)
    return names["rule"]


@pytest.mark.parametrize("nowhere", [_exec("rule = lambda: 1"), partial(_exec, "x"), print])
def test_what_has_no_source_says_nothing(nowhere: Callable) -> None:
    assert meaning_of(nowhere) == ""


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    module = loaded(tmp_path, "rule = lambda: 1")
    one = meaning_of(module.rule)
    Path(module.__file__).write_text("rule = lambda: 22", "utf-8")
    module.__spec__.loader.exec_module(module)

    assert meaning_of(module.rule) == meant(tmp_path, "rule = lambda: 22") != one


NUMBERS = st.integers(-99, 99)


@given(NUMBERS, NUMBERS, st.sampled_from(["", " ", "  "]), st.booleans())
def test_two_rules_say_the_same_when_they_compare_with_the_same(
    one: int, other: int, space: str, broken: bool
) -> None:
    def text(number: int, space: str, line: str) -> str:
        return f"rule = lambda: ({line}F.col({space}'n'{space}){space}>{space}{number}{line})"

    with tempfile.TemporaryDirectory() as folder:
        left = meant(Path(folder), text(one, "", ""))
        right = meant(Path(folder), text(other, space, "\n" if broken else ""))
    assert (left == right) == (one == other)


def test_without_positions_the_lambdas_of_a_line_count_together(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text("a, b = lambda: 1, lambda: 2\nc = lambda: 3", "utf-8")
    script = (
        "import rules; from data_platform.contracts.meaning import meaning_of as m; "
        "assert m(rules.a) == m(rules.b) != m(rules.c) != ''"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    command = [sys.executable, "-X", "no_debug_ranges", "-B", "-c", script]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True)
