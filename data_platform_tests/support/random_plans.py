"""Random functions of a table: chains of DataFrame operations over a few small inputs.

`sales` and `orders` are read by day, `events` by the time in `at`, `rates` alike by all. Names and
values are few, so that columns are mistaken for each other, and rows of different days meet,
wherever a proof or a plan is read wrongly. Results do not depend on the order of rows.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hypothesis import strategies as st
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from data_platform.quality.locality import Dated, Input

DAYS = [dt.date(2011, 3, day) for day in (1, 2, 3)]
_ONE, _TWO, _THREE = DAYS
SCHEMAS = {
    "sales": {"day": "date", "d": "date", "k": "string", "v": "int"},
    "orders": {"day": "date", "k": "string", "n": "int"},
    "events": {"at": "timestamp", "k": "string", "v": "int"},
    "rates": {"k": "string", "n": "int"},
}
ROWS: dict[str, list[tuple]] = {
    "sales": [
        *((_ONE, _ONE, "a", 1), (_ONE, _TWO, "b", 2), (_ONE, _TWO, "a", 1), (_ONE, None, "b", 3)),
        *((_TWO, _ONE, "a", 1), (_TWO, _TWO, "b", 2), (_TWO, _TWO, "b", 2), (_TWO, _ONE, None, 5)),
    ],
    "orders": [
        *((_ONE, "a", 1), (_ONE, "b", 2), (_TWO, "a", 1), (_TWO, "c", 4)),
        *((_THREE, "a", 1), (_THREE, "b", 3)),
    ],
    "events": [
        *((dt.datetime(2011, 3, 1, 5), "a", 1), (dt.datetime(2011, 3, 1, 6), "b", 2)),
        *((dt.datetime(2011, 3, 2, 5), "a", 1), (dt.datetime(2011, 3, 2, 5), "b", 4)),
        (dt.datetime(2011, 3, 3, 0), "a", 1),
    ],
    "rates": [("a", 1), ("b", 2), ("z", 9)],
}
READS: dict[str, Input] = {
    "sales": ("day",),
    "orders": ("day",),
    "events": Dated("at", "day", dated=False),
    "rates": "alike",
}

Frames = Mapping[str, DataFrame]
Made = Callable[[Frames], DataFrame]


@dataclass(frozen=True)
class Program:
    """A function of the inputs; `columns`: its columns' types; `text`: how it is written."""

    make: Made
    columns: Mapping[str, str]
    text: str

    def __repr__(self) -> str:
        return self.text

    def then(
        self, text: str, change: Callable[[DataFrame], DataFrame], columns: Mapping[str, str]
    ) -> "Program":
        """One more operation."""
        return Program(lambda frames: change(self.make(frames)), columns, f"{self.text}.{text}")


def inputs(spark: SparkSession, day: dt.date | None = None) -> dict[str, DataFrame]:
    """The inputs as one call for all days gets them, or as the call for one day does."""
    found = {}
    for name, schema in SCHEMAS.items():
        reads = READS[name]
        rows = [
            row
            for row in ROWS[name]
            if day is None
            or reads == "alike"
            or (row[0].date() if isinstance(row[0], dt.datetime) else row[0]) == day
        ]
        ddl = ", ".join(f"{column} {type_}" for column, type_ in schema.items())
        found[name] = spark.createDataFrame(rows, ddl)
    return found


def _input(name: str) -> Program:
    return Program(lambda frames: frames[name], SCHEMAS[name], name)


_INPUTS = st.sampled_from(["sales", "sales", "orders", "orders", "events", "rates"]).map(_input)
_NAMES = st.sampled_from(["day", "d", "k", "v", "n"])


def _some(columns: Mapping[str, str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(columns)), min_size=1, unique=True)


def _order(columns: Mapping[str, str]) -> list[Column]:
    return [F.col(name) for name in sorted(columns)]


@st.composite
def _value(draw: st.DrawFn, columns: Mapping[str, str]) -> tuple[str, Column, str]:
    """An expression of a row: its text, the column, its type."""
    name = draw(st.sampled_from(sorted(columns)))
    type_, column = columns[name], F.col(name)
    of_all = [(name, column, type_), (name.upper(), F.col(name.upper()), type_)]
    of_all += [(f"expr({name})", F.expr(name), type_)]
    of_all += [(f"coalesce({name})", F.coalesce(name, F.lit(None)), type_)]
    match type_:
        case "date":
            more = [
                (f"date_add({name}, 1)", F.date_add(name, 1), "date"),
                (f"trunc({name})", F.trunc(name, "month"), "date"),
                ("lit(2)", F.lit(_TWO), "date"),
                (f"cast({name})", column.cast("date"), "date"),
                (f"expr({name} + 1)", F.expr(f"date_add({name}, 1)"), "date"),
            ]
        case "timestamp":
            more = [
                (f"to_date({name})", F.to_date(name), "date"),
                (f"cast({name})", column.cast("date"), "date"),
                (f"next({name})", F.date_add(F.to_date(name), 1), "date"),
            ]
        case "int":
            more = [(f"{name} + 1", column + 1, "int"), ("1", F.lit(1), "int")]
        case _:
            more = [(f"upper({name})", F.upper(name), "string"), ("'a'", F.lit("a"), "string")]
    return draw(st.sampled_from([*of_all, *more]))


@st.composite
def _selected(draw: st.DrawFn, below: Program) -> Program:
    values = draw(st.lists(_value(below.columns), min_size=1, max_size=4))
    names = draw(st.lists(_NAMES, min_size=len(values), max_size=len(values), unique=True))
    text = ", ".join(f"{t} as {n}" for (t, _, _), n in zip(values, names, strict=True))
    columns = [value.alias(name) for (_, value, _), name in zip(values, names, strict=True)]
    types = {name: of for (_, _, of), name in zip(values, names, strict=True)}
    return below.then(f"select({text})", lambda frame: frame.select(*columns), types)


@st.composite
def _with_column(draw: st.DrawFn, below: Program) -> Program:
    (text, value, type_), name = draw(_value(below.columns)), draw(_NAMES)
    return below.then(
        f"withColumn({name}, {text})",
        lambda frame: frame.withColumn(name, value),
        {**below.columns, name: type_},
    )


@st.composite
def _renamed(draw: st.DrawFn, below: Program) -> Program:
    old, new = draw(st.sampled_from(sorted(below.columns))), draw(_NAMES)
    if new in below.columns:
        return below
    columns = {(new if name == old else name): of for name, of in below.columns.items()}
    return below.then(
        f"renamed({old}, {new})", lambda frame: frame.withColumnRenamed(old, new), columns
    )


@st.composite
def _dropped(draw: st.DrawFn, below: Program) -> Program:
    names = draw(_some(below.columns))
    left = {name: of for name, of in below.columns.items() if name not in names}
    if not left:
        return below
    return below.then(f"drop({names})", lambda frame: frame.drop(*names), left)


@st.composite
def _filtered(draw: st.DrawFn, below: Program) -> Program:
    name = draw(st.sampled_from(sorted(below.columns)))
    how = draw(st.sampled_from(["text", "column", "dropna"]))
    change: dict[str, Callable[[DataFrame], DataFrame]] = {
        "text": lambda frame: frame.where(f"{name} IS NOT NULL"),
        "column": lambda frame: frame.where(frame[name].isNotNull()),
        "dropna": lambda frame: frame.dropna(subset=[name]),
    }
    return below.then(f"where({name}, {how})", change[how], below.columns)


@st.composite
def _grouped(draw: st.DrawFn, below: Program) -> Program:
    by, of, name = draw(_some(below.columns)), draw(st.sampled_from(sorted(below.columns))), "x"
    rolled = draw(st.integers(0, 3)) == 0
    function = draw(st.sampled_from([F.max, F.min, F.count]))
    renamed = draw(_NAMES)
    name = renamed if renamed not in by else "x"
    type_ = "int" if function is F.count else below.columns[of]
    value = function(of).cast(type_).alias(name)
    return below.then(
        f"{'rollup' if rolled else 'groupBy'}({by}).agg({function.__name__}({of}) as {name})",
        lambda frame: (frame.rollup(*by) if rolled else frame.groupBy(*by)).agg(value),
        {**{n: below.columns[n] for n in by}, name: type_},
    )


@st.composite
def _unique(draw: st.DrawFn, below: Program) -> Program:
    names = draw(_some(below.columns))
    return below.then(
        f"dropDuplicates({names}).select({names})",
        lambda frame: frame.dropDuplicates(names).select(*names),
        {name: below.columns[name] for name in names},
    )


@st.composite
def _windowed(draw: st.DrawFn, below: Program) -> Program:
    by, of = draw(_some(below.columns)), draw(st.sampled_from(sorted(below.columns)))
    name, order = draw(_NAMES), _order(below.columns)
    which = draw(st.sampled_from(["lag", "max", "row_number", "nested"]))
    over = Window.partitionBy(*by).orderBy(*order)
    functions = {
        "lag": (F.lag(of).over(over), below.columns[of]),
        "max": (F.max(of).over(Window.partitionBy(*by)), below.columns[of]),
        "row_number": (F.row_number().over(over), "int"),
        "nested": (F.coalesce(F.lag(of).over(over), F.col(of)), below.columns[of]),
    }
    value, type_ = functions[which]
    return below.then(
        f"withColumn({name}, {which}({of}) over {by})",
        lambda frame: frame.withColumn(name, value),
        {**below.columns, name: type_},
    )


@st.composite
def _exploded(draw: st.DrawFn, below: Program) -> Program:
    name = draw(_NAMES)
    return below.then(
        f"explode(as {name})",
        lambda frame: frame.withColumn(name, F.explode(F.array(F.lit(1), F.lit(2)))),
        {**below.columns, name: "int"},
    )


@st.composite
def _first(draw: st.DrawFn, below: Program) -> Program:
    rows = draw(st.integers(1, 3))
    return below.then(
        f"first({rows})",
        lambda frame: frame.orderBy(*_order(below.columns)).limit(rows),
        below.columns,
    )


@st.composite
def _kept(draw: st.DrawFn, below: Program) -> Program:
    changes: dict[str, Callable[[DataFrame], DataFrame]] = {
        "alias.select(a.*)": lambda frame: frame.alias("a").select("a.*"),
        "select(*)": lambda frame: frame.select("*"),
        "repartition": lambda frame: frame.repartition(2, *below.columns),
        "orderBy": lambda frame: frame.orderBy(*below.columns),
        "fillna": lambda frame: frame.fillna("a").fillna(0),
        "toDF": lambda frame: frame.toDF(*below.columns),
    }
    text = draw(st.sampled_from(sorted(changes)))
    return below.then(text, changes[text], below.columns)


_UNARY = [
    *(_selected, _with_column, _with_column, _renamed, _dropped, _filtered, _grouped, _grouped),
    *(_unique, _windowed, _windowed, _exploded, _kept, _kept, _first),
]


@st.composite
def _chain(draw: st.DrawFn, starts: st.SearchStrategy[Program], most: int) -> Program:
    program = draw(starts)
    for _ in range(draw(st.integers(0, most))):
        program = draw(draw(st.sampled_from(_UNARY))(program))
    return program


@st.composite
def _united(draw: st.DrawFn, left: Program, right: Program) -> Program:
    by_name = draw(st.booleans())
    shared = [n for n in left.columns if right.columns.get(n) == left.columns[n]]
    if by_name:
        clash = {n for n in left.columns if n in right.columns} - set(shared)
        if clash:
            return left
        return Program(
            lambda frames: left.make(frames).unionByName(
                right.make(frames), allowMissingColumns=True
            ),
            {**left.columns, **right.columns},
            f"({left} unionByName {right})",
        )
    if list(left.columns.values()) != list(right.columns.values()):
        return left
    return Program(
        lambda frames: left.make(frames).union(right.make(frames)),
        left.columns,
        f"({left} union {right})",
    )


_KINDS = ["inner", "inner", "left", "right", "full", "full", "left_semi", "left_anti"]


@st.composite
def _joined(draw: st.DrawFn, left: Program, right: Program) -> Program:
    how = draw(st.sampled_from(_KINDS))
    shared = [n for n in left.columns if right.columns.get(n) == left.columns[n]]
    if shared and draw(st.booleans()):
        using = draw(st.lists(st.sampled_from(shared), min_size=1, unique=True))
        others = {f"{n}_": of for n, of in right.columns.items() if n not in using}

        def renamed(frame: DataFrame) -> DataFrame:
            return frame.select(
                *[F.col(n).alias(n if n in using else f"{n}_") for n in right.columns]
            )

        alone = how in ("left_semi", "left_anti")
        return Program(
            lambda frames: left.make(frames).join(renamed(right.make(frames)), using, how),
            left.columns if alone else {**left.columns, **others},
            f"({left} {how} join {right} using {using})",
        )
    pairs = [
        (one, other)
        for one, of in left.columns.items()
        for other, type_ in right.columns.items()
        if of == type_
    ]
    if not pairs or set(left.columns) | set(right.columns) > {"day", "d", "k", "v", "n", "at"}:
        return left
    on = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=2, unique=True))
    written = draw(st.sampled_from(["alias", "frame"]))

    def joined(frames: Frames) -> DataFrame:
        a, b = left.make(frames).alias("a"), right.make(frames).alias("b")
        if written == "frame":
            condition = [a[one] == b[other] for one, other in on]
        else:
            condition = [F.col(f"a.{one}") == F.col(f"b.{other}") for one, other in on]
        found = a.join(b, condition, how)
        if how in ("left_semi", "left_anti"):
            return found
        return found.select(
            *[F.col(f"a.{n}") for n in left.columns],
            *[F.col(f"b.{n}").alias(f"{n}_") for n in right.columns],
        )

    alone = how in ("left_semi", "left_anti")
    more = {} if alone else {f"{n}_": of for n, of in right.columns.items()}
    return Program(
        joined, {**left.columns, **more}, f"({left} {how} join {right} on {on} by {written})"
    )


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A function of one or two chains of operations."""
    left = draw(_chain(_INPUTS, 3))
    if draw(st.booleans()):
        return draw(_chain(st.just(left), 2))
    right = left if draw(st.integers(0, 4)) == 0 else draw(_chain(_INPUTS, 3))
    both = draw(draw(st.sampled_from([_united, _joined, _joined]))(left, right))
    return draw(_chain(st.just(both), 2))
