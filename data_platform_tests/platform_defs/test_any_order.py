"""Tables of any two kinds of partitions: built in any order, each partition is what its function
makes of its declared window, or the pair is refused when definitions load.
"""

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from data_platform.build.mappings import UnmappedPartitions, require_mappings
from data_platform.build.planning import plan_all
from data_platform.build.platform import Platform
from data_platform.quality.mapping import EventTime, How
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform_tests.support.sums import (
    KINDS,
    WAYS,
    Model,
    build_stale,
    declared,
    publish_rows,
    read_by,
    sold_on_of,
    some,
    stored,
)

INPUTS = st.sampled_from([kind for kind in KINDS if kind != "regions"])


@settings(max_examples=settings().max_examples // 5)
@given(
    kinds=st.tuples(INPUTS, INPUTS),
    own=st.tuples(st.sampled_from(list(KINDS)), st.sampled_from(list(KINDS))),
    ways=st.tuples(*[st.sampled_from(WAYS)] * 3),
    both=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_each_partition_is_of_its_own_window_in_any_order(
    kinds: tuple[str, str],
    own: tuple[str, str],
    ways: tuple[How | None, ...],
    both: bool,
    seed: int,
) -> None:
    """`first` reads one or two inputs, `second` reads `first`."""
    rng = random.Random(seed)
    ins = dict(zip(("in_a", "in_b"), kinds, strict=True)) if both else {"in_a": kinds[0]}
    inputs = [declared(name, kind, {"a": "silver/shop/else"}) for name, kind in ins.items()]
    try:
        first = declared("first", own[0], read_by(list(ins), ways[: len(ins)]))
        second = declared("second", own[1], read_by(["first"], ways[2:]))
        require_mappings([*inputs, first, second])
    except (UnmappedPartitions, ValueError) as error:
        assert "gold/shop/" in str(error)
        return
    of_kind = ins | {"first": own[0], "second": own[1]}
    world = Model(of_kind, {name: {} for name in of_kind})
    with tempfile.TemporaryDirectory() as directory:
        at = settings_at(Path(directory) / "home")
        prepare_home(at)
        platform = Platform(at)
        for _ in range(rng.randint(1, 4)):
            name = rng.choice(list(ins))
            table = next(t for t in inputs if t.id.name == name)
            landed = some(rng, of_kind[name])
            world.rows[name] |= landed
            publish_rows(platform, table, landed, None)
            if rng.random() < 0.6:
                keys = plan_all(first, platform).keys
                build_stale(platform, first, rng.sample(keys, rng.randint(0, len(keys))), rng)
            if rng.random() < 0.4:
                build_stale(platform, second, None, rng)
        while any([build_stale(platform, table, None, rng) for table in (first, second)]):
            pass
        for table, read in ((first, list(ins)), (second, ["first"])):
            hows = [(name, table.how(p)) for p, name in zip("ab", read, strict=False)]
            sums = world.sums(of_kind[table.id.name], hows)
            if any(not world.rows[name] for name, _ in hows):
                sums = {}  # it waits for what was never published
            found = stored(platform, table)
            assert {key: found.get(key) for key in sums} == sums
            # what was built once, and has no rows of its time any more, is read as empty
            gone = {total for key, total in found.items() if key not in sums}
            assert not gone or any(isinstance(how, EventTime) for _, how in hows)
            assert gone <= {0} or len(hows) > 1
            world.rows[table.id.name] = {
                k: (sold_on_of(total), total) for k, total in found.items()
            }
