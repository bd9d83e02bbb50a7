"""dagster_cloud.yaml, by which Dagster+ finds and builds the code location."""

import importlib

import pytest
from dagster.components.definitions import LazyDefinitions
from dagster_cloud_cli.config.models import Location, load_dagster_cloud_yaml
from pydantic import ValidationError

from data_platform.runs.launched import CODE_LOCATION
from data_platform_tests.docker.test_dockerfiles import locked
from data_platform_tests.support.tables import TABLES
from tools.docker import IMAGES
from tools.jars import ROOT

FILE = ROOT / "dagster_cloud.yaml"


def location() -> Location:
    [found] = load_dagster_cloud_yaml(FILE.read_text("utf-8")).locations
    return found


def test_its_module_has_the_definitions_of_every_table() -> None:
    source = location().code_source
    assert source and source.module_name

    module = importlib.import_module(source.module_name)

    [lazy] = [each for each in vars(module).values() if isinstance(each, LazyDefinitions)]
    definitions = lazy()
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert {str(table.id) for table in TABLES} <= keys


def test_the_location_has_the_name_that_runs_are_launched_with() -> None:
    assert location().location_name == CODE_LOCATION


def test_what_is_built_is_the_last_target_of_the_dockerfile_which_has_dagster_cloud() -> None:
    build = location().build
    assert build and build.directory and build.registry
    assert (ROOT / build.directory).resolve() == ROOT

    image = IMAGES["dagster-plus"]
    *_, last = (ROOT / image.file).read_text("utf-8").split("\nFROM ")
    assert last.startswith(f"spark AS {image.target}\n")


def test_its_packages_are_added_to_those_of_the_image_in_the_same_versions() -> None:
    tested, image = locked("requirements.lock"), locked("docker/requirements.lock")
    added = locked("docker/dagster-plus.lock")

    assert added["dagster-cloud"] == added["dagster-cloud-cli"] == image["dagster"]
    assert not added.keys() & image.keys()
    assert {name: tested.get(name, version) for name, version in added.items()} == added


def test_a_field_that_dagster_plus_does_not_know_is_refused() -> None:
    wrong = FILE.read_text("utf-8").replace("code_source", "code_sauce")

    with pytest.raises(ValidationError, match="code_sauce"):
        load_dagster_cloud_yaml(wrong)
