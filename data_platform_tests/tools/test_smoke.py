"""How a smoke test reaches a deployment: through kubectl, with a program in its place, and S3."""

import os
import signal
from pathlib import Path

import pytest

from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.storage.object_store import ObjectStore
from data_platform.storage.waiting import is_listening, wait
from tools.servers import S3Server
from tools.smoke import EXAMPLE, KEY, SmokeError, forwarded, into_s3, main, new_content

SERVICE = "echo service/acme-webserver"
LISTENS = """exec python3 -c '
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        server.accept()
' "${5%%:*}"
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a `kubectl` that does as two scripts say: `get` and `port-forward`."""
    program = tmp_path / "kubectl"
    script = f'echo "$@" >>{tmp_path}/told\necho $$ >{tmp_path}/pid\n. {tmp_path}/"$1"\n'
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "get").write_text(SERVICE)
    (tmp_path / "port-forward").write_text(LISTENS)
    return tmp_path


def test_the_webserver_of_a_namespace_is_reached_while_it_is_needed(kubectl: Path) -> None:
    with forwarded("acme") as web:
        port = int(web.url.rpartition(":")[2])
        assert is_listening("127.0.0.1", port)

    assert wait(lambda: not is_listening("127.0.0.1", port), 10)
    asked, forward = (kubectl / "told").read_text().splitlines()
    assert "-n acme -l app.kubernetes.io/component=webserver" in asked
    assert forward == f"port-forward -n acme service/acme-webserver {port}:80"


@pytest.mark.parametrize(
    "services", ["true", f"{SERVICE}; {SERVICE}", "echo no access >&2; exit 1"]
)
def test_a_namespace_without_one_webserver_is_an_error(kubectl: Path, services: str) -> None:
    (kubectl / "get").write_text(services)

    with pytest.raises(SmokeError, match="not one webserver in namespace acme"), forwarded("acme"):
        pass


def test_what_cannot_be_forwarded_is_an_error(kubectl: Path) -> None:
    (kubectl / "port-forward").write_text("exit 1")

    with (
        pytest.raises(SmokeError, match=r"port-forward -n acme .* ended with 1"),
        forwarded("acme"),
    ):
        pass


def test_a_forward_whose_pod_has_gone_is_made_again(kubectl: Path) -> None:
    with forwarded("acme") as web:
        port = int(web.url.rpartition(":")[2])
        os.kill(int((kubectl / "pid").read_text()), signal.SIGKILL)
        assert wait(lambda: not is_listening("127.0.0.1", port), 10)

        web.reach()

        assert is_listening("127.0.0.1", port)


def test_a_branch_without_a_valid_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--branch", "PR 12"]) == 1
    assert "give it a name like pr-12" in capsys.readouterr().err


def test_a_landed_file_is_in_the_bucket_and_new_each_time(
    versitygw: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", versitygw.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", versitygw.region)
    versitygw.client().create_bucket(Bucket="smoke-landing")

    version = into_s3("s3://smoke-landing/below")(KEY, content := new_content())

    bucket = S3Bucket("s3://smoke-landing/below", ObjectStore(versitygw.region, versitygw.endpoint))
    assert [f"{each.size}-{each.etag}" for each in bucket.list()] == [version]
    landed = versitygw.client().get_object(Bucket="smoke-landing", Key=f"below/{KEY}")
    assert landed["Body"].read() == content
    assert content.count(b"\n") == EXAMPLE.read_bytes().count(b"\n")
    assert len({content, new_content(), EXAMPLE.read_bytes()}) == 3
