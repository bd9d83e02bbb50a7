"""Lands a file and publishes it, again and again, until its standard input is closed; prints how
often it has."""

import json
import sys
from pathlib import Path
from select import select

from data_platform.storage.object_store import ObjectStore
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import SmallShop


def main(home: str, place: str, database: str) -> None:
    given = json.loads(place)
    shop = SmallShop(Path(home), Place(given["root"], ObjectStore(**given["store"])), database)
    times = 0
    while not select([sys.stdin], [], [], 0)[0]:
        day = f"2011-03-{times % 3 + 1:02}"
        shop.land(day, [f"a{times},{times}", f"b{times},x", f"a{times},{times}"], f"-{times}")
        shop.run()
        times += 1
        print(times, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
