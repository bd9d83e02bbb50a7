"""Examine everything the platform needs to run here, and say how to fix what is wrong.

Changes nothing. Declarations are checked by the caller, which loads them.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_platform.build.platform import Platform
from data_platform.engine.java import VERSIONS, WAY_OUT, java, version_of
from data_platform.engine.reach import require_reachable
from data_platform.operations.doctor_services import examine_services
from data_platform.operations.examined import Examined
from data_platform.operations.versions import installed_version, unmet_requirements
from data_platform.settings.alerts import alerts_of
from data_platform.settings.model import Settings
from data_platform.settings.values import SettingsError
from data_platform.storage.object_store import is_object
from data_platform.tables.identity import TableId
from data_platform.telemetry.channels import is_known
from data_platform.telemetry.wording import counted

LEAST_FREE = 2 << 30  # bytes; with less, a partition that is sorted on disk may not fit


def examine(settings: Settings, tables: Sequence[TableId] = ()) -> Iterator[Examined]:
    """Examine the engine, disk, permissions, stores, databases and locks, one after the other;
    `tables` are those that a run writes."""
    platform = Platform(settings)
    yield Examined("settings", f"{settings.environment}, home {settings.home}")
    yield _packages()
    yield from _engine(settings)
    for setting, place in _directories(settings):
        yield _writable(setting, place)
    yield from _mistyped_landing(settings)
    for place in dict.fromkeys((_there(settings.home), Path(tempfile.gettempdir()))):
        yield _disk(place)
    yield from _alerts(settings)
    yield from examine_services(platform, tables)


def _alerts(settings: Settings) -> Iterator[Examined]:
    """The file of channels and routes, if there is one."""
    if settings.alerts is None:
        return
    try:
        found = alerts_of(settings.alerts)
    except SettingsError as error:
        yield Examined("alerts", str(settings.alerts), str(error))
        return
    said = f"{counted(len(found.urls), 'channel')}, {counted(len(found.routes), 'route')}"
    wrong = [name for name, url in found.urls.items() if not is_known(url)]
    way_out = f"give {', '.join(wrong)} a URL that apprise knows" if wrong else ""
    yield Examined("alerts", said, way_out)


def _packages() -> Examined:
    python = ".".join(map(str, sys.version_info[:3]))
    said = f"data-platform {installed_version()}, Python {python}"
    if unmet := list(unmet_requirements()):
        return Examined("packages", f"{said}; {'; '.join(unmet)}", "install what the lock pins")
    return Examined("packages", said)


def _engine(settings: Settings) -> Iterator[Examined]:
    """What executes DataFrames, and what it needs."""
    engine = settings.spark
    try:
        require_reachable(engine)
    except SettingsError as error:
        yield Examined("engine", str(engine), str(error))
    else:
        yield Examined("engine", str(engine))
    if engine.has_jvm:
        yield _java()
    uris = (settings.landing_uri, settings.warehouse_uri)
    if engine.kind in ("cluster", "connect") and not all(map(is_object, uris)):
        yield Examined(
            "engine",
            "landing and warehouse are directories of this machine",
            "executors on other machines cannot reach them: set DATA_PLATFORM_LANDING and "
            "DATA_PLATFORM_WAREHOUSE to S3",
            warning=True,
        )


def _java() -> Examined:
    program = java()
    if program is None:
        return Examined("Java", "there is none", WAY_OUT)
    version = version_of(program)
    said = f"{program}, " + (f"version {version}" if version else "which does not start")
    return Examined("Java", said, "" if version in VERSIONS else WAY_OUT)


def _directories(settings: Settings) -> Iterator[tuple[str, Path]]:
    """The directories that are written to, each with the setting that names it."""
    yield "DATA_PLATFORM_HOME", settings.home
    uris = {"LANDING": settings.landing_uri, "WAREHOUSE": settings.warehouse_uri}
    for name, uri in uris.items():
        if not is_object(uri):
            yield f"DATA_PLATFORM_{name}", Path(uri.removeprefix("file://"))


def _writable(setting: str, place: Path) -> Examined:
    existing = _there(place)
    if not existing.is_dir():
        said = f"{existing} is not a directory"
    elif os.access(existing, os.W_OK | os.X_OK):
        made = "" if existing == place else ", not there yet: a run creates it"
        return Examined("permissions", f"{place} is writable{made}")
    else:
        said = f"this user may not write in {existing}"
    way_out = f"give this user the directory, or name another one than {place} in {setting}"
    return Examined("permissions", said, way_out)


def _mistyped_landing(settings: Settings) -> Iterator[Examined]:
    """A warning if the configured landing directory does not exist: it may be mistyped."""
    place = Path(settings.landing_uri.removeprefix("file://"))
    if is_object(settings.landing_uri) or settings.home in place.parents or _exists(place):
        return
    yield Examined(
        "landing",
        f"{place} does not exist yet; a run creates it, and finds nothing in it",
        "if files land somewhere else, correct DATA_PLATFORM_LANDING",
        warning=True,
    )


def _there(place: Path) -> Path:
    """The directory, or the nearest one above it that exists and can be seen."""
    return next(each for each in (place, *place.parents) if _exists(each))


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except PermissionError:  # below a directory that this user may not enter
        return False


def _disk(place: Path) -> Examined:
    free = shutil.disk_usage(place).free
    said = f"{free / 2**30:.1f} GB free at {place}"
    enough = free >= LEAST_FREE
    way_out = f"free some: below {LEAST_FREE >> 30} GB a run may fail (`data-platform clean`)"
    return Examined("disk", said, "" if enough else way_out)
