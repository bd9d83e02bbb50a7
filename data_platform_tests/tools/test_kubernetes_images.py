"""An image made of files has what `docker save` would write."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from tools.docker import Docker, DockerError
from tools.kubernetes_images import archive, saved


def test_an_image_of_files_names_its_layer_by_what_is_in_it(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/true")
    program.chmod(0o755)

    archive("local/program:1", {"bin/program": program}, ["/bin/program"], tmp_path / "image.tar")

    with tarfile.open(tmp_path / "image.tar") as image:
        image.extractall(tmp_path / "image", filter="data")
    [manifest] = json.loads((tmp_path / "image/manifest.json").read_text())
    config = json.loads((tmp_path / "image" / manifest["Config"]).read_text())
    [layer] = [tmp_path / "image" / name for name in manifest["Layers"]]
    assert manifest["RepoTags"] == ["local/program:1"]
    assert config["config"]["Entrypoint"] == ["/bin/program"]
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    with tarfile.open(layer) as files:
        assert files.getmember("bin/program").mode & 0o111


def test_an_image_that_docker_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DockerError, match="docker save"), saved(Docker("false"), "no", tmp_path):
        pass
