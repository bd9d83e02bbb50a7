"""The directory and the specification of a warm engine."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data_platform.engine.java import chosen_java
from data_platform.engine.session import spark_config
from data_platform.engine.warm.place import Place, Spec
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform_tests.support.warm_engines import end


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "engine")
    place.make()
    yield place
    end(place)


@pytest.fixture
def spec() -> Spec:
    return Spec(
        kind="sail",
        key="this",
        owner=os.getpid(),
        idle=600,
        memory="256m",
        path=sys.path,
        config={},
        variables={},
    )


@pytest.fixture
def of_java(tmp_path: Path, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> Spec:
    if (java := chosen_java()) is None:
        assert not os.environ.get("CI")
        pytest.skip("there is no Java 17 or 21 for Spark")
    monkeypatch.setenv("JAVA_HOME", str(java))
    settings = settings_at(tmp_path, spark=Engine("local[1]"))
    return replace(spec, kind="local", config=spark_config(settings))
