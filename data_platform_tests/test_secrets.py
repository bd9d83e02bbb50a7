"""Secrets come from the environment or AWS Secrets Manager, and are found nowhere afterwards."""

import io
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import boto3
import psycopg2
import pyarrow.parquet as pq
import pytest
from dagster import DagsterInstance

from data_platform.settings.secrets import secret
from data_platform.settings.values import SettingsError
from data_platform_tests.support.cloud import REGION, Cloud
from data_platform_tests.support.homes import BRONZE, SILVER, csv, key_of, shop_lines
from data_platform_tests.support.places import Place
from tools.postgres_server import Postgres
from tools.servers import S3Server

DAY = "2011-03-04"


@pytest.fixture
def manager(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Secrets Manager, with a database's secret, a text and a binary one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", cloud.account.endpoint)
    client = boto3.client("secretsmanager", REGION)
    client.create_secret(Name="db", SecretString=json.dumps({"password": "hunter2", "port": 1}))
    client.create_secret(Name="text", SecretString="hunter2")
    client.create_secret(Name="blank", SecretString=" ")
    client.create_secret(Name="binary", SecretBinary=b"hunter2")
    yield


@pytest.mark.parametrize("text", ["hunter2", "secretsmanager:db#password", "secretsmanager:text"])
def test_a_secret_is_the_value_or_is_fetched(manager: None, text: str) -> None:
    assert secret("DATA_PLATFORM_DATABASE_PASSWORD", text, REGION) == "hunter2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("secretsmanager:", "write it like secretsmanager:NAME#KEY"),
        ("secretsmanager:no-such", "'no-such', which cannot be read"),
        ("secretsmanager:db#user", "'user' of the secret 'db', which has: password, port"),
        ("secretsmanager:db#port", "'port' of the secret 'db', which has: password, port"),
        ("secretsmanager:text#password", "'text', which is not a JSON object"),
        ("secretsmanager:blank", "names the secret 'secretsmanager:blank', which is empty"),
        ("secretsmanager:binary", "'binary', which is binary"),
    ],
)
def test_a_secret_that_cannot_be_had_is_named_and_not_shown(
    manager: None, text: str, says: str
) -> None:
    with pytest.raises(SettingsError) as error:
        secret("DATA_PLATFORM_DATABASE_PASSWORD", text, REGION)

    assert str(error.value).startswith("DATA_PLATFORM_DATABASE_PASSWORD")
    assert says in str(error.value)
    shown: BaseException | None = error.value
    while shown is not None:  # what a stack trace would print
        assert "hunter2" not in str(shown)
        shown = None if shown.__suppress_context__ else shown.__cause__ or shown.__context__


# --- everything, with marked secrets -----------------------------------------------------------


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param((["run", BRONZE], ["run", SILVER]), id="the tables that reject rows"),
        pytest.param((["run"],), id="all tables", marks=pytest.mark.soak),
    ],
)
def test_no_byte_that_is_written_or_shown_holds_a_secret(
    runs: tuple[list[str], ...],
    tmp_path: Path,
    manager: None,
    versitygw: S3Server,
    postgres: Postgres,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A load with good, bad and unreadable objects on S3 and PostgreSQL, commands that look at
    it, and commands that fail because of a password, a bucket or a key that is not right."""
    for name, value in versitygw.key.environment.items():
        monkeypatch.setenv(name, value)
    place = Place.bucket(versitygw)
    client = boto3.client("secretsmanager", versitygw.region)
    client.create_secret(Name="pg", SecretString=json.dumps({"password": postgres.password}))
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PGPASSWORD"},
        **place.environment,
        "DATA_PLATFORM_ENV": "test",
        "DATA_PLATFORM_HOME": str(tmp_path / "home"),
        "DATA_PLATFORM_DATABASE": postgres_url,
        "DATA_PLATFORM_DATABASE_PASSWORD": "secretsmanager:pg#password",
    }
    bad = [f"{line},extra" for line in shop_lines(DAY, 5, first=50)]
    place.write(f"{place.root}/landing/{key_of(DAY)}", csv(shop_lines(DAY, 10) + bad))
    place.write(f"{place.root}/landing/{key_of('2011-03-05')}", csv(shop_lines("2011-03-05", 10)))
    place.write(f"{place.root}/landing/{key_of('2011-03-06')}", b"not,the,header\n1,2\n")

    wrong = [
        {"DATA_PLATFORM_DATABASE_PASSWORD": "wr0ng-one"},
        *(
            {"DATA_PLATFORM_DATABASE": f"postgresql://app:{sign}wr0ng-one@h/db"}
            for sign in ("", "#", "/", "?")
        ),
    ]
    shown = [
        _commands(environment, *(({}, run, None) for run in runs)),
        _commands(
            environment,
            ({}, ["tables"], 0),
            ({}, ["landing"], None),
            ({}, ["quarantine", SILVER], None),
            *((changed, ["tables"], 1) for changed in wrong),
        ),
        # each in a process of its own, since clients keep the key that they were made with
        _commands(environment, ({"DATA_PLATFORM_LANDING": "s3://no-such-bucket"}, ["run"], 1)),
        _commands(environment, ({"AWS_SECRET_ACCESS_KEY": "wr0ng-one"}, ["run"], 1)),
    ]

    assert b"published" in shown[0] and b"order_lines" in shown[1]
    assert shown[1].count(b"DATA_PLATFORM_DATABASE") >= len(wrong)  # each says what is not right
    marks = {
        "the database's password": postgres.password,
        "the store's key": versitygw.key.secret,
        "a password that is not right": "wr0ng-one",
    }
    written = {f"command {n}": text for n, text in enumerate(shown)}
    written |= {str(p): p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file()}
    written |= place.save()
    written |= {f"rows of {uri}": _rows(text) for uri, text in written.items() if _is_table(uri)}
    written |= _database(postgres, postgres_url)
    written["what the UI shows of the instance"] = _instance(tmp_path / "home", postgres)
    assert len(written) > 40  # a search that finds no place to look finds nothing
    assert any(b"customer_id" in text for name, text in written.items() if "rows of" in name)
    assert any(b"/data/" in text for name, text in written.items() if name.endswith("avro"))
    assert any(b"order_lines" in text for text in _database(postgres, postgres_url).values())
    leaks = [
        f"{mark} in {where}"
        for where, text in written.items()
        for mark, value in marks.items()
        if value.encode() in text
    ]
    assert leaks == []


Command = tuple[dict[str, str], list[str], int | None]  # what it changes, words, exit code

_COMMANDS = """
import json, os, sys, traceback
from data_platform.cli.main import main
unchanged = dict(os.environ)
for changed, words, expected in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(unchanged | changed)
    code = 0
    try:
        main(words, prog_name="data-platform")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        code = traceback.print_exc() or 1
    assert expected in (None, code), (words, changed.keys(), code)
"""


def _commands(environment: Mapping[str, str], *commands: Command) -> bytes:
    """All that `data-platform` prints when called so, one after the other in a process."""
    done = subprocess.run(
        [sys.executable, "-c", _COMMANDS],
        input=json.dumps(commands).encode(),
        env=dict(environment),
        capture_output=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _is_table(name: str) -> bool:
    return name.endswith((".parquet", ".avro"))


def _rows(content: bytes) -> bytes:
    """What a compressed file holds: Parquet's rows and metadata, the blocks of Avro."""
    if content[:4] == b"PAR1":
        file = pq.ParquetFile(io.BytesIO(content))
        return f"{file.read().to_pylist()} {file.metadata.metadata}".encode()
    # A block is its number of rows, its size, the deflated rows, and the marker that ends the file.
    found, longest = b"", 20
    for block in content.split(content[-16:]):
        for start in range(longest):
            with suppress(zlib.error):
                rows = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
                found += rows.decompress(block[start:], 1 << 20)
    return found


def _database(postgres: Postgres, url: str) -> dict[str, bytes]:
    """Every row of every table, as text."""
    found = {}
    with (
        psycopg2.connect(url, password=postgres.password) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{name}" t')
            found[f"table {name}"] = "\n".join(row[0] for row in cursor.fetchall()).encode()
    return found


def _instance(home: Path, postgres: Postgres) -> bytes:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PGPASSWORD", postgres.password)
        with DagsterInstance.from_config(str(home / "dagster")) as instance:
            return instance.info_str().encode()
