"""The platform of docker/compose.yaml: a landed file reaches gold, and data stays or goes."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform_tests.support.servers import not_there
from tools.compose import Stack, composer, new_passwords
from tools.docker import IMAGES, Docker, DockerError, build
from tools.servers import free_port
from tools.smoke import EXAMPLE, KEY, TABLE

LATER = "online_retail/2011-03-07.csv"


@pytest.fixture(scope="module")
def stack(docker: Docker, image: str) -> Iterator[Stack]:
    """A project of its own, on free ports, with everything healthy."""
    try:
        composer(docker)
    except DockerError as missing:
        not_there(str(missing))
    for target in ("postgres", "store", "queue"):
        build(docker, IMAGES[target])
    ports = {name: str(free_port()) for name in ("UI_PORT", "STORE_PORT")}
    made = Stack(docker, new_passwords() | ports, project="data-platform-tests")
    try:
        made.start()
        yield made
    finally:
        made.down(wipe=True)


def next_day(directory: Path) -> Path:
    """The example's lines, sold on the next trading day."""
    made = directory / "lines.csv"
    made.write_text(EXAMPLE.read_text("utf-8").replace("2011-03-04", "2011-03-07"))
    return made


def volumes(stack: Stack) -> list[str]:
    listed = stack.docker.run("volume", "ls", "--quiet", "--filter", f"name={stack.project}_")
    return sorted(name.removeprefix(f"{stack.project}_") for name in listed.stdout.split())


def test_a_landed_file_reaches_gold_and_stays_until_the_data_is_wiped(
    stack: Stack, tmp_path: Path
) -> None:
    with urllib.request.urlopen(f"{stack.url}/server_info") as answer:
        assert b"dagster_webserver_version" in answer.read()
    assert stack.rows(TABLE) == []

    stack.land(EXAMPLE, KEY)
    landed = stack.arrives(TABLE)

    assert {(row["day"], row["country"], row["units"]) for row in landed} == {
        ("2011-03-04", "France", 32),
        ("2011-03-04", "United Kingdom", 14),
    }
    stack.down(wipe=False)
    assert volumes(stack) == ["home", "postgres", "store"]
    stack.start()
    assert stack.rows(TABLE) == landed

    # The bucket is listed at night only: the queue tells of this one.
    stack.land(next_day(tmp_path), LATER)
    assert {row["day"] for row in stack.arrives(TABLE, more_than=2)} == {"2011-03-04", "2011-03-07"}

    stack.down(wipe=True)
    assert volumes(stack) == []
