"""What a plan looks up, for partitions that are there."""

from data_platform.build.planning import plan
from data_platform.domains.retail.bronze import order_lines
from data_platform_tests.support.homes import BRONZE
from data_platform_tests.support.loaded_shop import LoadedShop


def _rows(shop: LoadedShop, *days: str) -> dict[str, int]:
    return {**plan(order_lines, shop.home.platform, days, only_stale=False).rows}


def test_a_plan_knows_the_rows_of_its_partitions_and_of_those_just_before_them(
    shop: LoadedShop,
) -> None:
    first, *others = (str(day) for day in shop.manifest.days)
    last = others[-1]
    present = shop.home.counts(BRONZE)

    assert _rows(shop, last) == {day: n for day, n in present.items() if day <= last}
    assert _rows(shop, first) == {first: present[first]}
    assert _rows(shop, "2071-08-01") == {}  # long after them, and what other tests landed


def test_a_plan_keeps_to_the_partitions_it_may_build_and_knows_the_inputs_of_all(
    shop: LoadedShop,
) -> None:
    days = [str(day) for day in shop.manifest.days][:3]

    found = plan(
        order_lines, shop.home.platform, [*days, "2011-08-01"], only_stale=False, among=days[1:]
    )

    assert found.keys == tuple(days[1:])
    assert set(found.base) == set(days[1:])
    assert set(found.digests) == set(days)
