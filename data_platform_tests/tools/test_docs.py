"""The documentation site: navigation, generated references, broken links."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from data_platform.cli.main import main
from data_platform.settings.variables import VARIABLES
from tools import docs_reference
from tools.docs import DocsError, broken_links, navigation, with_generated
from tools.jars import ROOT

DIRECTIVE = re.compile(r"^::: ([\w.]+)\n(?:    options:\n      members: \[(.*)\]\n)?", re.MULTILINE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository's pages."""
    files = {
        "README.md": "# it",
        "docs/README.md": "- [Guides](guides/README.md)\n- [About](about.md)",
        "docs/about.md": "# about",
        "docs/guides/README.md": "Text with [a link](one.md).\n\n- [One](one.md)",
        "docs/guides/one.md": "# one",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_navigation_is_what_the_lists_of_the_readmes_say(root: Path) -> None:
    assert navigation(root) == [
        ("Home", "README.md"),
        ("Guides", [("Overview", "docs/guides/README.md"), ("One", "docs/guides/one.md")]),
        ("About", "docs/about.md"),
    ]


def test_a_page_that_no_list_names_is_refused(root: Path) -> None:
    (root / "docs/guides/two.md").write_text("# two")
    with pytest.raises(DocsError, match=r"docs/guides/two\.md: listed nowhere"):
        navigation(root)


def test_a_page_that_two_lists_name_is_refused(root: Path) -> None:
    (root / "docs/README.md").write_text("- [Guides](guides/README.md)\n- [One](guides/one.md)")
    with pytest.raises(DocsError, match="listed already"):
        navigation(root)


def test_the_projects_own_pages_are_all_listed() -> None:
    assert navigation(ROOT)[0] == ("Home", "README.md")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="../nowhere/">', "../nowhere/ leads to no page"),
        ('<a href="#nothing">', "#nothing leads to no heading"),
        ('<a href="../#nothing">', "../#nothing leads to no heading"),
        ('<img src="no.png">', "no.png leads to no page"),
        ('<script src="https://example.org/a.js">', "is an external resource"),
    ],
)
def test_what_leads_nowhere_is_named_with_its_page(tmp_path: Path, body: str, said: str) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "index.html").write_text('<h1 id="top">')
    good = '<h2 id="here"><a href="#here"><a href="../#top"><a href="https://example.org/">'
    (tmp_path / "page/index.html").write_text(good)
    assert broken_links(tmp_path) == []

    (tmp_path / "page/index.html").write_text(good + body)

    [found] = broken_links(tmp_path)
    assert found.startswith("page/index.html: ") and said in found


def test_every_setting_is_in_the_table_with_a_default() -> None:
    rows = docs_reference.settings().splitlines()[2:]
    assert len(rows) == len(VARIABLES)
    for variable, row in zip(VARIABLES, rows, strict=True):
        _, name, meaning, default, _ = map(str.strip, row.split(" | ".strip()))
        assert (name, meaning) == (f"`{variable.variable}`", variable.meaning)
        assert default


def test_where_environments_differ_the_default_is_that_of_the_code() -> None:
    [row] = [r for r in docs_reference.settings().splitlines() if "_CATALOG`" in r.split("|")[1]]
    assert "`sqlite:///{home}/catalog.db` in `local` and `test`" in row
    assert "`glue` in `staging` and `prod`" in row


def test_every_command_and_option_is_in_the_reference() -> None:
    text = docs_reference.commands()

    def check(group: click.Group, path: str) -> None:
        for name, command in group.commands.items():
            if command.hidden:
                continue
            assert f"# `{path}{name}`\n" in text
            section = text.partition(f"# `{path}{name}`\n")[2].partition("\n#")[0]
            assert not re.search("^ ", section, re.MULTILINE)  # would be shown as code
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    assert parameter.opts[-1] in section
            if isinstance(command, click.Group):
                check(command, f"{path}{name} ")

    check(main, "")


def test_a_marker_is_replaced_and_other_text_is_left() -> None:
    assert with_generated("a\n\n<!-- settings -->\n\nb").startswith("a\n\n| variable |")
    assert with_generated("no <!-- remark -->") == "no <!-- remark -->"


def _undocumented(module: str, only: set[str]) -> Iterator[str]:
    """Public names of a page of the API, of its classes' members too, that have no docstring."""
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8"))
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if only and node.name not in only:
            continue
        members = node.body if isinstance(node, ast.ClassDef) else []
        for each in [node, *members]:
            documented = isinstance(each, ast.FunctionDef | ast.ClassDef)
            if documented and not each.name.startswith("_") and not ast.get_docstring(each):
                yield f"{module}.{node.name}" + (f".{each.name}" if each is not node else "")


@pytest.mark.parametrize("page", sorted((ROOT / "docs/reference/api").glob("*.md")))
def test_every_name_in_the_api_reference_has_a_docstring(page: Path) -> None:
    for module, members in DIRECTIVE.findall(page.read_text("utf-8")):
        names = set(filter(None, members.split(", ")))
        assert list(_undocumented(module, names)) == []
        for name in names:
            assert hasattr(importlib.import_module(module), name), f"{page.name}: {module}.{name}"
