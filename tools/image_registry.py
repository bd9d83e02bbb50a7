"""A registry of images for tests, started like the servers of `tools.servers`: Distribution's own.

`make services` installs it. Docker pushes to it without TLS, since it is on the loopback address.
"""

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.go_programs import REGISTRY
from tools.servers import NotInstalled, launch, listens, running

_CONFIGURATION = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}", secret: none}}
"""


@dataclass(frozen=True, kw_only=True)
class ImageRegistry:
    """A registry at `address`, with which the names of its images begin."""

    port: int
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it responds, and is our process."""
        if not listens(self.process, self.port):
            return False
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.address}/v2/", timeout=5) as answer:
                return answer.status == 200
        except urllib.error.URLError:  # not yet
            return False


@contextmanager
def image_registry(directory: Path) -> Iterator[ImageRegistry]:
    """A registry with its images and its log in `directory`."""
    if not REGISTRY.binary.exists():
        raise NotInstalled("the registry is not installed: run `make services`")
    root, log = directory.absolute(), directory.absolute() / "server.log"

    def start(port: int) -> ImageRegistry:
        configuration = root / "registry.yaml"
        configuration.write_text(_CONFIGURATION.format(root=root / "images", port=port))
        command = [str(REGISTRY.binary), "serve", str(configuration)]
        return ImageRegistry(port=port, process=launch(command, log=log, env={}))

    with running(start, log) as server:
        yield server
