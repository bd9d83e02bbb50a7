"""Restores a backup, and is killed when it comes to a step for the given time: `python -m
data_platform_tests.support.processes.restoring HOME ROOT DATABASE BACKUP STEP TIME`."""

import os
import signal
import sys
from pathlib import Path

from data_platform.operations import restore as restoring
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import SmallShop


def main(home: str, root: str, database: str, backup: str, step: str, time: str) -> None:
    do, times = getattr(restoring, step), 0

    def killed(*arguments: object) -> object:
        nonlocal times
        times += 1
        if times == int(time):
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*arguments)

    setattr(restoring, step, killed)
    shop = SmallShop(Path(home), Place.directory(Path(root)), database)
    restoring.restore(shop.platform(), backup)


if __name__ == "__main__":
    main(*sys.argv[1:])
