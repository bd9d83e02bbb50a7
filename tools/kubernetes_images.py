"""Images for a node: what `docker save` writes, or the same made from files without a builder."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.docker import Docker


@contextmanager
def saved(docker: Docker, name: str, directory: Path) -> Iterator[Path]:
    """An image that Docker has, as a file. Raises DockerError if there is none."""
    file = directory / "image.tar"
    try:
        docker.run("save", "--output", str(file), name)
        yield file
    finally:
        file.unlink(missing_ok=True)


def archive(name: str, files: Mapping[str, Path], command: Sequence[str], target: Path) -> None:
    """Write the image `name` of these programs, by their paths in it, to `target`."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, source in files.items():
            tar.add(source, path)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": list(command)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as tar:
        for path, content in (
            ("config.json", json.dumps(config).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
            ("layer.tar", layer.getvalue()),
        ):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
