"""What a name in a plan can mean."""

from data_platform.engine.connect_names import Column, Plan, found_in, parts_of, resolved
from data_platform.engine.logical_plan import Node

DAY, OTHER = Column(1, "day", "date", "a"), Column(2, "Day", "date", "b")
STRUCT = Column(3, "s", None, "a")


def _plan(*columns: Column, parts: dict[int, tuple] | None = None) -> Plan:
    return Plan(Node("Relation", {}, ()), columns, parts or {})


def test_a_name_has_parts() -> None:
    assert parts_of("day") == ("day",)
    assert parts_of("a.`b.``c`.d") == ("a", "b.`c", "d")
    assert parts_of("a.") == parts_of("`a") == parts_of("") == parts_of("`a`b") == ()


def test_a_name_means_the_one_column_that_it_can_mean() -> None:
    assert found_in((DAY, STRUCT), ["DAY"]) == (DAY, 0)
    assert found_in((DAY, OTHER), ["day"]) is None
    assert found_in((DAY, OTHER), ["b", "day"]) == (OTHER, 0)
    assert found_in((DAY, DAY), ["day"]) == (DAY, 0)
    assert found_in((DAY,), ["v"]) is None
    assert found_in((DAY,), []) is None


def test_a_name_may_mean_a_field() -> None:
    assert found_in((DAY, STRUCT), ["s", "day"]) == (STRUCT, 1)
    assert found_in((DAY, STRUCT), ["a", "s", "day"]) == (STRUCT, 1)
    # A column and an alias of the same name.
    assert found_in((Column(4, "a"), DAY), ["a", "day"]) is None


def test_a_column_of_a_plan_is_one_that_is_still_there() -> None:
    plan = _plan(DAY, STRUCT, parts={7: ((DAY, STRUCT),), 8: ((OTHER,),), 9: ((DAY,), (OTHER,))})

    assert resolved("day", 7, [plan]) == (DAY, 0)
    assert resolved("day", 8, [plan]) is None  # replaced since
    assert resolved("day", 6, [plan]) is None  # a plan that is not below
    assert resolved("day", 9, [plan]) == (DAY, 0)
    assert resolved("day", 9, [plan, _plan(OTHER)]) is None  # in both sides of a join


def test_nothing_is_certain_where_columns_are_unknown() -> None:
    unknown = Plan(Node("Relation", {}, ()))

    assert resolved("day", None, [_plan(DAY), unknown]) is None
    assert resolved("day", 7, [_plan(DAY, parts={7: (None,)})]) is None
