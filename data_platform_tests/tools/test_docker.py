"""What Docker is told to build an image, with a program in its place that writes it down."""

from pathlib import Path

import pytest

from data_platform.operations.versions import installed_version
from tools.docker import BASE, IMAGES, Docker, DockerError, build, tidy


def docker(directory: Path, does: str = "true") -> Docker:
    program = directory / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >>{directory}/told\n{does}\n')
    program.chmod(0o755)
    return Docker(str(program))


def told(directory: Path) -> list[str]:
    return (directory / "told").read_text().splitlines()


def test_an_image_is_built_from_what_is_there_with_its_version(tmp_path: Path) -> None:
    build(docker(tmp_path), IMAGES["postgres"])

    looked, built = told(tmp_path)
    assert looked == f"image inspect {BASE}"
    assert f"--build-arg VERSION={installed_version().split()[0]} " in built
    assert "--no-cache" not in built


def test_a_fresh_image_has_a_new_base_and_no_layer_that_was_there(tmp_path: Path) -> None:
    build(docker(tmp_path), IMAGES["postgres"], fresh=True)

    pulled, built = told(tmp_path)[-2:]
    assert pulled == f"pull --quiet {BASE}"
    assert built.startswith("build ") and " --no-cache " in built


def test_a_build_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(DockerError, match="no space left"):
        build(
            docker(tmp_path, 'test "$1" != build || { echo no space left >&2; exit 1; }'),
            IMAGES["postgres"],
        )


def test_images_with_a_name_are_kept_when_a_daemon_of_ours_ends(tmp_path: Path) -> None:
    tidy(docker(tmp_path))

    pruned = told(tmp_path)
    assert "image prune --force" in pruned, "with --all, named ones would be deleted, too"
    assert any(line.startswith("builder prune --force --keep-storage") for line in pruned)
