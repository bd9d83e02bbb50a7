"""Images for a node: what `docker save` writes, or the same made from files without a builder."""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.servers import NotInstalled


@contextmanager
def saved(name: str, directory: Path) -> Iterator[Path]:
    """An image of this machine's Docker, as a file. Raises NotInstalled if there is none."""
    file = directory / "image.tar"
    save = ["docker", "save", "--output", str(file), name]
    try:
        done = subprocess.run(save, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise NotInstalled("docker is not installed, which builds the image") from missing
    if done.returncode:
        raise NotInstalled(
            f"there is no image {name}: run `make image`; docker: {done.stderr.strip()}"
        )
    try:
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
