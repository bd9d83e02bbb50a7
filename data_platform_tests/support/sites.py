"""A made site as its readers have it: its pages parsed, its links followed."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from posixpath import dirname, join, normpath

_EXTERNAL = ("http:", "https:", "//", "ws:", "ftp:")
_OUTLINES = {"h1", "h2", "h3"}


@dataclass
class Page(HTMLParser):
    """What a page has: ids, links, elements with their attributes, and its text."""

    path: str
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("href", "src", "xlink:href", "action"):
            if name in given:
                self.links.append(given[name])

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def having(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements with this tag."""
        return [given for name, given in self.elements if name == tag]

    @property
    def headings(self) -> list[str]:
        """The levels of its headings, in order."""
        return [tag for tag, _ in self.elements if tag in _OUTLINES]


def parsed(files: dict[str, str]) -> dict[str, Page]:
    """The pages of a site, by path."""
    pages: dict[str, Page] = {}
    for path, text in files.items():
        if path.endswith(".html"):
            pages[path] = Page(path)
            pages[path].feed(text)
            pages[path].close()
    return pages


def broken_links(files: dict[str, str]) -> list[str]:
    """Links that lead to no file of the site, or to no id in it, or out of the site."""
    pages, found = parsed(files), []
    for page in pages.values():
        for link in page.links:
            if link.startswith("data:"):
                continue
            path, _, anchor = link.partition("#")
            target = normpath(join(dirname(page.path), path)) if path else page.path
            external = link.startswith(_EXTERNAL) or target not in files
            if external or (anchor and anchor not in pages[target].ids):
                found.append(f"{page.path}: {link}")
    return found
