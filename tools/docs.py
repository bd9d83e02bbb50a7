"""Build the documentation site, for `make docs`.

The pages are the repository's Markdown files at their own paths, so that links work in a checkout
and on the site. The navigation follows the lists in `docs/README.md` and the README of each folder
below it. Lines `<!-- settings -->` and `<!-- commands -->` are replaced by tables generated from
the code (`tools.docs_reference`); the API reference comes from docstrings. A broken link, image or
anchor is an error, and so are a page that no list names and an external resource.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.docs_reference import GENERATED
from tools.environments import DOCS, PackagesError
from tools.jars import ROOT

BUILD = ROOT / "build"
CONFIG = ROOT / "tools" / "zensical.toml"
PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*", "benchmarks/*.md", "docker/*.md")
CONTENTS = "docs/README.md"

_LISTED = re.compile(r"^- \[([^]]+)\]\(([^)#]+\.md)\)", re.MULTILINE)
_FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class DocsError(Exception):
    """The documentation cannot be built; the message names the page and what is wrong with it."""


def pages(root: Path) -> list[str]:
    """The files of the site, as paths below `root`."""
    found = {path for pattern in PAGES for path in root.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(root).as_posix() for path in found)


def navigation(root: Path, contents: str = CONTENTS) -> list[tuple[str, str | list]]:
    """Titles, each with its page or its folder's entries, in the order of the READMEs' lists.

    Raises DocsError for a page that no list names, or that two lists name.
    """
    seen = ["README.md", contents]

    def entries(page: str) -> Iterator[tuple[str, str | list]]:
        folder = (root / page).parent
        for title, target in _LISTED.findall((root / page).read_text("utf-8")):
            path = (folder / target).resolve().relative_to(root.resolve()).as_posix()
            if path in seen:
                raise DocsError(f"{page} lists {target}, which is listed already")
            seen.append(path)
            if path.endswith("/README.md"):
                yield title, [("Overview", path), *entries(path)]
            else:
                yield title, path

    listed = [("Home", "README.md"), *entries(contents)]
    if missing := [page for page in pages(root) if page.endswith(".md") and page not in seen]:
        raise DocsError(
            f"{', '.join(missing)}: listed nowhere; add a line `- [Title](page.md)` to the "
            "README.md of the folder"
        )
    return listed


def stage(root: Path, build: Path) -> Path:
    """Write pages and configuration below `build`; returns the configuration's path."""
    shutil.rmtree(build / "docs", ignore_errors=True)
    for page in pages(root):
        target = build / "docs" / page
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.endswith(".md"):
            target.write_text(with_generated((root / page).read_text("utf-8")), "utf-8")
        else:
            shutil.copyfile(root / page, target)
    config = build / "zensical.toml"
    text = CONFIG.read_text("utf-8")
    config.write_text(
        text.replace("[project]\n", f"[project]\nnav = {_toml(navigation(root))}\n", 1)
    )
    return config


def with_generated(text: str) -> str:
    """The page with each marker replaced by text generated from the code."""
    for name, generate in GENERATED.items():
        marker = f"<!-- {name} -->"
        if marker in text:
            text = text.replace(marker, generate())
    return text


def _toml(entries: list) -> str:
    pairs = (
        f"{{ {json.dumps(title)} = {json.dumps(at) if isinstance(at, str) else _toml(at)} }}"
        for title, at in entries
    )
    return f"[{', '.join(pairs)}]"


class _Page(HTMLParser):
    """The anchors of a page, its links, and the resources that a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := named.get(name))}
        if tag == "a" and (href := named.get("href")):
            self.links.append(href)
        if url := named.get(_FETCHED.get(tag, "")):
            self.fetched.append(url)


def broken_links(site: Path) -> list[str]:
    """A line for each broken link or external resource of the built pages."""
    parsed = {
        page: _Page(page.read_text("utf-8"))
        for page in sorted(site.rglob("*.html"))
        if page.name != "404.html"  # it is served at any address, so its links are absolute
    }
    found = []
    for page, content in parsed.items():
        name = page.relative_to(site).as_posix()
        outside = [url for url in content.fetched if urlsplit(url).netloc]
        found += [f"{name}: {url} is an external resource" for url in outside]
        for url in [*content.links, *content.fetched]:
            if wrong := _wrong_with(url, page, parsed):
                found.append(f"{name}: {url} leads to {wrong}")
    return found


def _wrong_with(url: str, page: Path, parsed: Mapping[Path, _Page]) -> str | None:
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "no page"
    anchor = unquote(parts.fragment)
    if anchor and target in parsed and anchor not in parsed[target].anchors:
        return "no heading of that page"
    return None


def build() -> Path:
    """Build the site; returns its directory. Raises DocsError, PackagesError."""
    if not DOCS.installed():
        print("==> Installing the documentation generator's environment", file=sys.stderr)
        DOCS.install()
    config = stage(ROOT, BUILD)
    site = BUILD / "site"
    shutil.rmtree(site, ignore_errors=True)
    command = [str(DOCS.program("zensical")), "build", "--clean", "--strict", "-f", str(config)]
    if subprocess.run(command, cwd=BUILD, check=False).returncode:
        raise DocsError("the site could not be built; see the messages above")
    if found := broken_links(site):
        raise DocsError("\n       ".join(["broken links:", *found]))
    return site


def main() -> int:
    try:
        print(f"{build()}/index.html")
    except (DocsError, PackagesError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
