"""What `data-platform drop` asks, does and leaves to be built."""

from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import SALES, SILVER, csv, key_of, shop_lines
from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.places import A_BUCKET

SHOP_PLACES = A_BUCKET  # in a directory, `operations/test_dropping.py` drops
LEFT = 3  # exit code: something is left for a person, and the shop has unreadable files


def test_a_drop_is_done_where_a_person_agrees_to_what_it_says(run: Run, shop: LoadedShop) -> None:
    day, other = "2011-07-11", "2011-07-12"
    asking = ("drop", SILVER, "--partition", day)
    for landed in (day, other):
        shop.home.land(key_of(landed), csv(shop_lines(landed, 2)))
    run("run", code=LEFT)

    for typed in ("n\n", "\n", ""):  # no, nothing, and nobody there
        said = run(*asking, code=1, typed=typed).output
        assert f"drops partition {day} of {SILVER}: 2 rows" in said
        assert f"{SALES} depends on it" in said
        assert "drop it? [y/N]: " in said and "Aborted!" in said
        assert shop.home.counts(SILVER)[day] == 2
    said = run(*asking, typed="y\n").output
    assert f"dropped partition {day} of {SILVER}" in said
    assert day not in shop.home.counts(SILVER)
    said = run("drop", SILVER, "--partition", other, "--yes").output
    assert "drop it?" not in said and f"dropped partition {other} of {SILVER}" in said
    assert [row["partition"] for row in parsed(run("stale", "--json"))[:2]] == [day, other]

    run("run", code=LEFT)
    counts = shop.home.counts(SILVER)
    assert (counts[day], counts[other]) == (2, 2)
    assert parsed(run("stale", "--json")) == []
