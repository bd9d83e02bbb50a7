"""The pages of the site, made from the facts by templates; nothing is read here."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from data_platform.operations.lineage import Column, Edge
from data_platform.operations.site import words
from data_platform.operations.site.facts import Period, SiteFacts, TableFacts
from data_platform.operations.site.picture import Graph
from data_platform.operations.site.plots import MOST_LINES, plot
from data_platform.operations.site.reading import ways
from data_platform.settings.model import Settings
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

_MOST_EDGES = 400  # of column lineage in a page
_MOST_COLUMNS = 2000
_STATIC = ("style.css", "site.js")


@dataclass(frozen=True)
class Plot:
    """A plot with what its lines are, or without one, and why."""

    title: str
    lines: Sequence[str] = ()
    svg: Markup | None = None
    why: str = ""


@dataclass(frozen=True)
class Made:
    """What a column is made from in a table, and how; without a name, what decides about rows."""

    column: str
    source: str
    names: Sequence[str]
    how: str


@dataclass(frozen=True)
class Pages:
    """Makes the site of these facts."""

    facts: SiteFacts
    settings: Settings

    def files(self) -> dict[str, str]:
        """All files of the site, by their paths in it."""
        return dict(self._files())

    def _files(self) -> Iterator[tuple[str, str]]:
        tables, facts = self.facts.tables, self.facts
        yield "index.html", self._page("index.html", 0)
        for of in tables:
            yield self._path(of.table.id), self._page("table.html", 1, of=of, **self._about(of))
        for domain, group in self._domains.items():
            yield f"domains/{domain}.html", self._group(domain, "Domain", group)
        for owner, name in self._owners.items():
            group = [of for of in tables if of.table.owner == owner]
            own = [each for each in facts.incidents if each.owner == owner]
            yield f"owners/{name}.html", self._group(owner, "Owner", group, own)
        for name in ("landing", "quarantine", "health"):
            yield f"{name}.html", self._page(f"{name}.html", 0)
        for name in _STATIC:
            yield name, self._source(name)
        yield "search-index.js", f"const PAGES = {self._index};\n"

    def _group(
        self, name: str, kind: str, group: Sequence[TableFacts], incidents: Sequence = ()
    ) -> str:
        layers: dict[str, list[TableFacts]] = {}
        for of in group:
            layers.setdefault(of.table.id.layer, []).append(of)
        about = {"name": name, "kind": kind, "count": len(group), "layers": layers}
        return self._page("group.html", 1, incidents=incidents, **about)

    def _page(self, template: str, depth: int, **values: object) -> str:
        found = self._templates.get_template(template)
        shared = {"site": self.facts, "root": "../" * depth, "domains": self._domains}
        return found.render(**shared, owners=self._owners, **values)

    def _about(self, of: TableFacts) -> dict[str, object]:
        """What the page of a table has beside its facts."""
        found, unknown = self._made(of)
        return {
            "columns": words.columns(of.table)[:_MOST_COLUMNS],
            "rules": words.table_rules(of.table),
            "picture": self._graph.around(str(of.table.id)),
            "made": found[:_MOST_EDGES],
            "more_made": max(len(found) - _MOST_EDGES, 0),
            "unknown": unknown,
            "plots": list(plots(of)),
            "ways": ways(of.table.id, self.settings),
        }

    def _made(self, of: TableFacts) -> tuple[list[Made], dict[Column, str]]:
        """What the table's columns are made from, and what is not known."""
        own = str(of.table.id)
        found: dict[tuple[str, str, str], list[str]] = {}
        for edge in self._edges_by_table.get(own, ()):
            made = (edge.made.name, edge.source.table, edge.how)
            found.setdefault(made, []).append(edge.source.name)
        unknown = {c: why for c, why in self.facts.lineage.unknown.items() if c.table == own}
        ordered = sorted(found.items(), key=lambda item: not item[0][0])  # rows at the end
        return [Made(name, source, of, how) for (name, source, how), of in ordered], unknown

    @cached_property
    def _edges_by_table(self) -> dict[str, list[Edge]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.facts.lineage.edges:
            found.setdefault(edge.made.table, []).append(edge)
        return found

    @cached_property
    def _graph(self) -> Graph:
        tables = (of.table for of in self.facts.tables)
        return Graph({str(t.id): sorted(set(map(str, t.inputs.values()))) for t in tables})

    @cached_property
    def _domains(self) -> Mapping[str, list[TableFacts]]:
        found: dict[str, list[TableFacts]] = {}
        for of in self.facts.tables:
            found.setdefault(of.table.id.domain, []).append(of)
        return dict(sorted(found.items()))

    @cached_property
    def _owners(self) -> Mapping[str, str]:
        return file_names({of.table.owner for of in self.facts.tables})

    @cached_property
    def _templates(self) -> Environment:
        found = Environment(
            loader=PackageLoader("data_platform.operations.site"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        known = {str(of.table.id) for of in self.facts.tables}
        helpers = (
            words.prose,
            words.coded,
            words.first_sentence,
            words.size,
            words.moment,
            words.version,
        )
        found.filters |= {each.__name__: each for each in (*helpers, words.kept, counted)}
        found.filters |= {"partitioning": words.partitioning, "state": words.state}
        found.tests["a_table"] = lambda name: name in known
        found.filters["page"] = lambda name: self._path(TableId.parse(str(name)))
        return found

    def _source(self, name: str) -> str:
        loader = self._templates.loader
        assert loader
        return loader.get_source(self._templates, name)[0]

    @staticmethod
    def _path(table: TableId) -> str:
        return f"tables/{'.'.join(table.path)}.html"

    @property
    def _index(self) -> str:
        """What is searched, as JSON that is a part of a script."""
        found: list[dict[str, object]] = []
        for of in self.facts.tables:
            names = [field["name"] for field in words.columns(of.table)]
            table = of.table
            about = words.first_sentence(table.description)
            text = f"{table.description} {table.owner}"
            found.append(
                {
                    "name": str(table.id),
                    "page": self._path(table.id),
                    "about": about,
                    "text": " ".join(text.split()),
                    "columns": names,
                }
            )
        for domain, group in self._domains.items():
            about = f"Domain with {counted(len(group), 'table')}"
            found.append(_entry(domain, f"domains/{domain}.html", about))
        for owner, name in self._owners.items():
            found.append(_entry(owner, f"owners/{name}.html", "Owner"))
        return json.dumps(found, ensure_ascii=True, indent=0).replace("<", "\\u003c")


def _entry(name: str, page: str, about: str) -> dict[str, object]:
    return {"name": name, "page": page, "about": about, "text": "", "columns": []}


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """A name of a file for each text, all different, also where case does not count."""
    found: dict[str, str] = {}
    for text in sorted(texts):
        name = plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "none"
        number = 1
        while name in found.values():
            number += 1
            name = f"{plain}-{number}"
        found[text] = name
    return found


def plots(of: TableFacts) -> Iterator[Plot]:
    """The quality of a table over its partitions."""
    shown: Sequence[Period] = of.published.periods if of.published else ()
    if len(shown) < 2:
        return
    labels = [each.published.label for each in shown]
    span = f"{labels[0]} to {labels[-1]}"

    def made(name: str, title: str, lines: Mapping[str, Sequence[float]], share: bool) -> Plot:
        about = f"{title}, {span}: " + "; ".join(map(_told(share), lines.items()))
        return Plot(title, list(lines), plot(name, about, labels, lines, share=share))

    rows = {"rows": [float(each.published.rows) for each in shown]}
    yield made("rows", "Rows published", rows, False)
    if of.table.contract:
        rejected = {"quarantined": [_share(each.quarantined, each.received) for each in shown]}
        if of.table.lineage:
            rejected["duplicates"] = [_share(each.duplicates, each.received) for each in shown]
        title = "Share of rows rejected"
        if any(map(any, rejected.values())):
            yield made("rejected", title, rejected, True)
        else:
            yield Plot(title, why=f"No row was rejected, {span}.")
    nulls = {
        name: [each.published.null_rates.get(name, 0.0) for each in shown]
        for name in sorted({name for each in shown for name in each.published.null_rates})
    }
    highest = sorted((name for name in nulls if any(nulls[name])), key=lambda n: -max(nulls[n]))
    if highest:
        lines = {name: nulls[name] for name in highest[:MOST_LINES]}
        more = f", the highest {MOST_LINES} of {len(highest)}" if len(highest) > MOST_LINES else ""
        yield made("nulls", f"Share of nulls by column{more}", lines, True)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _told(share: bool):
    """How a line is told to who does not see it."""

    def told(line: tuple[str, Sequence[float]]) -> str:
        name, values = line
        written = (
            f"{v:.1%}" if share else f"{v:,.0f}" for v in (min(values), max(values), values[-1])
        )
        return "{} between {} and {}, lately {}".format(name, *written)

    return told
