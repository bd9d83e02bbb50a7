"""Every block of code in the documentation is run, or checked as its language allows."""

import copy
import re
import shlex
import tomllib
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession

from data_platform.cli.main import main
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.pages import Block, all_blocks, blocks

BLOCKS = tuple(all_blocks())
MAKEFILE = (CHECKOUT / "Makefile").read_text("utf-8")
TARGETS = frozenset(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
OTHERS = frozenset(
    {"aws", "cd", "cp", "createdb", "dagster", "dagster-cloud", "dg", "docker", "helm", "kubectl"}
    | {"mkdir", "mv", "python", "rm", "."}
)
READ_ELSEWHERE = "docs/how-to/read-elsewhere.md"


def _of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def _named(block: Block) -> str:
    return f"{block.page}:{block.line}"


def _commands(block: Block) -> Iterator[list[str]]:
    """What a block has a person type, a list of words for each command."""
    for line in block.text.splitlines():
        if line.startswith("$ "):
            for command in re.split(r"; |(?: && )", line.removeprefix("$ ")):
                yield shlex.split(command.partition(" > ")[0], comments=True)


def _exported_before(block: Block) -> dict[str, str]:
    """What the blocks of the page before this one export."""
    before = (each for each in blocks(block.page) if each.line < block.line)
    commands = (words for each in before if each.language == "console" for words in _commands(each))
    given = (each for program, *words in commands if program == "export" for each in words)
    return dict(each.split("=", 1) for each in given)


def _idle(command: click.Command) -> click.Command:
    """The same arguments, options and commands, and nothing that they do."""
    idle = copy.copy(command)
    idle.callback = lambda **_: None
    if isinstance(idle, click.Group):
        idle.commands = {name: _idle(each) for name, each in idle.commands.items()}
    return idle


def _refusal(arguments: list[str]) -> str:
    """What the command line says to arguments that it does not take; nothing to right ones."""
    answer = CliRunner().invoke(_idle(main), arguments)
    return answer.output if answer.exit_code else ""


def test_every_block_says_in_a_language_that_is_checked_what_it_is() -> None:
    checked = {"python", "console", "toml", "csv", "text"}
    assert [_named(block) for block in BLOCKS if block.language not in checked] == []


@pytest.mark.parametrize("block", _of("console"), ids=_named)
def test_commands_can_be_given_as_they_are_written(block: Block) -> None:
    exported = _exported_before(block)
    commands = list(_commands(block))
    assert commands, "no line begins with $"
    for program, *arguments in commands:
        name = program.rpartition("/")[2]
        if program == "export":
            exported |= dict(each.split("=", 1) for each in arguments)
        elif name == "data-platform":
            assert not _refusal(arguments), (arguments, _refusal(arguments))
        elif name == "make":
            assert {each for each in arguments if "=" not in each} <= TARGETS, arguments
        else:
            assert name in OTHERS, f"{program}: add it to the programs that pages may name"
    settings_from_env(exported, secrets=False)


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_commands_in_sentences_are_there(page: str) -> None:
    text = (CHECKOUT / page).read_text("utf-8")
    for words in re.findall(r"`(?:\.venv/bin/)?data-platform ([^`]+)`", text):
        names = [word for word in words.split() if word.islower() and word.isalpha()]
        assert "no command" not in _refusal([*names[:2], "--help"]), words
    for target in re.findall(r"`make ([a-z-]+)[^`]*`", text):
        assert target in TARGETS, target


def test_a_command_that_is_not_taken_is_seen() -> None:
    assert "no command 'shwo'" in _refusal(["shwo", "gold/shop/sales"])
    assert "--partitoin" in _refusal(["show", "gold/shop/sales", "--partitoin", "x"])
    assert not _refusal(["quarantine", "replay", "silver/shop/sales", "--partition", "2011-03-04"])


@pytest.mark.parametrize("block", _of("toml"), ids=_named)
def test_toml_can_be_read(block: Block) -> None:
    assert tomllib.loads(block.text)


def test_other_engines_read_tables_as_the_page_says(shop: LoadedShop, spark: SparkSession) -> None:
    names: dict[str, object] = {"spark": spark}
    for block in BLOCKS:
        if block.page == READ_ELSEWHERE and block.language == "python":
            code = block.text.replace("/path/to/.platform/demo", str(shop.home.settings.home))
            exec(compile(code, _named(block), "exec"), names)


def test_no_python_is_left_out() -> None:
    """What is no module of a domain is run as a script, by a test above or of the guides."""
    apart = {block.page for block in _of("python") if not block.module}
    assert apart <= {READ_ELSEWHERE, "docs/how-to/notebook.md", "docs/tutorial/first-table.md"}
