import boto3
import click
import pytest
from click.testing import CliRunner

from data_platform.cli.reporting import Suggesting, reporting
from data_platform.storage.s3_errors import StoreError, about

NOWHERE = "http://127.0.0.1:1"


def said(error: Exception) -> str:
    @click.command()
    @reporting
    def command() -> None:
        raise error

    found = CliRunner().invoke(command)
    assert found.exit_code == 1
    return found.output


def test_a_store_that_gives_no_answer_is_told_with_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreError) as raised, about("s3://bucket/key"):
        client = boto3.client("s3", region_name="us-east-1", endpoint_url=NOWHERE)
        client.head_object(Bucket="bucket", Key="key")

    output = said(raised.value)

    assert "s3://bucket/key: Could not connect to the endpoint" in output
    assert "and that DATA_PLATFORM_AWS_ENDPOINT, if set, is its address" in output


def test_pyarrows_error_of_the_network_has_the_same_way_out() -> None:
    text = "When reading information for key 'k' in bucket 'b': AWS Error NETWORK_CONNECTION during"

    assert "DATA_PLATFORM_AWS_ENDPOINT" in said(OSError(text))


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidAccessKeyId"])
def test_credentials_that_the_store_does_not_know_are_told_so(code: str) -> None:
    assert "has credentials that the store knows" in said(StoreError(f"({code}) when calling"))


def test_other_errors_stay_as_they_are() -> None:
    assert said(StoreError("s3://b/k: it is full")) == "Error: s3://b/k: it is full\n"


def test_a_group_lists_its_commands_with_whole_sentences() -> None:
    sentence = "A sentence of so many words that no terminal has a line for it, and not two either"

    @click.group(cls=Suggesting)
    def group() -> None: ...

    @group.command(help=f"{sentence}. Another one.")
    def one() -> None: ...

    output = CliRunner().invoke(group, ["--help"]).output
    listed = " ".join(output.partition("Commands:")[2].split())
    assert listed.removesuffix(".") == f"one {sentence}"
