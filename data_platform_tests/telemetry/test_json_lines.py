"""Log lines as JSON, of a run and of every other logger of a process."""

import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from data_platform.lake.errors import PartitionConflict
from data_platform.platform_defs.console import as_usual_console, console
from data_platform.telemetry import running
from data_platform.telemetry.ids import context_of, trace_of
from data_platform.telemetry.json_lines import JsonLines
from data_platform.telemetry.logs import log_as

RUN = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
ROW = "WILLOW-4711"


def line(message: str = "hello", *arguments: object, error: BaseException | None = None) -> dict:
    info = (type(error), error, error.__traceback__) if error else None
    of = logging.LogRecord("acme", logging.WARNING, "a.py", 1, message, arguments, info)
    text = JsonLines().format(of)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_has_its_time_level_message_and_logger() -> None:
    said = line("%s of %d", "one", 2)

    assert said.keys() == {"time", "level", "message", "logger"}
    assert said["time"].endswith("Z")
    assert (said["level"], said["message"], said["logger"]) == ("WARNING", "one of 2", "acme")


def test_a_message_with_line_breaks_is_one_line() -> None:
    assert line("first\nsecond\r\n\u2028third")["message"] == "first\nsecond\r\n\u2028third"


def test_a_message_that_its_arguments_do_not_fit_is_a_line() -> None:
    assert line("%d rows", "no")["message"] == "%d rows"


def test_an_error_is_its_type_and_its_lines_of_code_without_its_text() -> None:
    def inner() -> None:
        raise ValueError(f"no such stock code: {ROW}")

    try:
        try:
            inner()
        except ValueError as why:
            raise RuntimeError(f"a row: {ROW}") from why
    except RuntimeError as error:
        said = line(error=error)

    assert ROW not in json.dumps(said)
    assert said["error"]["type"] == "RuntimeError"
    assert said["error"]["cause"]["type"] == "ValueError"
    assert said["error"]["cause"]["stack"][-1].endswith(", in inner")


def test_a_line_within_a_run_names_it_its_table_and_its_partitions() -> None:
    running.begin(RUN, ("2011-03-01", "2011-03-31"), step="silver__retail__order_lines")
    said = line()
    running.end(RUN)

    assert said["run"] == RUN
    assert said["trace"] == trace_of(RUN)
    assert said["table"] == "silver/retail/order_lines"
    assert (said["first_partition"], said["last_partition"]) == ("2011-03-01", "2011-03-31")
    assert "run" not in line()


def test_a_line_of_another_thread_names_the_only_run_and_none_of_several() -> None:
    found: list[dict] = []

    def log() -> None:
        thread = threading.Thread(target=lambda: found.append(line()))
        thread.start()
        thread.join()

    running.begin(RUN)
    log()
    other = threading.Thread(target=running.begin, args=("another",))
    other.start()
    other.join()
    log()
    running.end("another")
    running.end(RUN)

    assert [said.get("run") for said in found] == [RUN, None]


def test_a_line_has_the_span_of_its_phase_or_else_that_of_its_step() -> None:
    running.begin(RUN, step="silver__retail__order_lines")
    trace_id = context_of(RUN).trace_id
    with use_span(NonRecordingSpan(SpanContext(trace_id, 0xABCD, is_remote=False))):
        within = line()
    with use_span(NonRecordingSpan(SpanContext(trace_id + 1, 0xABCD, is_remote=False))):
        of_another_trace = line()
    running.end(RUN)

    assert within["span"] == f"{0xABCD:016x}"
    step = context_of(RUN, "silver__retail__order_lines").span_id
    assert of_another_trace["span"] == f"{step:016x}"


@pytest.fixture
def as_json() -> Iterator[None]:
    log_as("json")
    yield
    log_as("text")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged, each line of it."""
    return [json.loads(text) for text in capsys.readouterr().err.splitlines()]


def test_lines_of_a_run_name_it_whoever_logs_them(
    as_json: None, capsys: pytest.CaptureFixture[str]
) -> None:
    as_usual_console()

    @dg.asset(key=["silver", "retail", "lines"])
    def lines_asset(context: dg.AssetExecutionContext) -> None:
        context.log.info("of the step")
        dg.get_dagster_logger().info("of Dagster's logger")
        logging.getLogger("a.library").warning("of a library")
        warnings.warn("of Python", UserWarning, stacklevel=1)

    result = dg.materialize([lines_asset], tags={"dagster/partition": "2011-03-04"})
    logging.getLogger("a.library").warning("after it")

    *within, after = lines(capsys)
    texts = ["of the step", "of Dagster's logger", "of a library", "UserWarning: of Python"]
    for said, text in zip(within, texts, strict=True):
        assert text in said["message"]
        assert said["trace"] == trace_of(result.run_id)
        assert (said["run"], said["table"]) == (result.run_id, "silver/retail/lines")
        assert said["partition"] == "2011-03-04"
    assert after["message"] == "after it"
    assert "run" not in after


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(f"no such code: {ROW}"), "failed: ValueError"),
        (dg.Failure(f"no such code: {ROW}"), "failed: Failure"),
        (PartitionConflict("2011-03-07 was replaced"), "failed: 2011-03-07 was replaced"),
    ],
    ids=["of a function", "of a function, by Dagster's class", "of the platform"],
)
def test_a_failure_is_told_by_its_type_unless_the_platform_words_it(
    error: Exception, told: str, as_json: None, capsys: pytest.CaptureFixture[str]
) -> None:
    as_usual_console()

    @dg.op
    def publish() -> None:
        raise error

    @dg.job(logger_defs={"console": console})
    def publishing() -> None:
        publish()

    result = publishing.execute_in_process(raise_on_error=False)

    [said] = lines(capsys)
    assert said["message"].startswith(f"publish {told}")
    assert (said["level"], said["run"], said["step"]) == ("ERROR", result.run_id, "publish")
    assert type(error).__name__ in json.dumps(said["error"])
    assert ROW not in json.dumps(said)


def test_a_handler_that_fails_fails_no_run(
    as_json: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise OSError("no space left on device")

    monkeypatch.setattr(JsonLines, "format", broken)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    as_usual_console()

    @dg.asset
    def thing(context: dg.AssetExecutionContext) -> None:
        context.log.info("hello")

    assert dg.materialize([thing]).success
    assert capsys.readouterr().err == ""


_SERVER = f"""
import logging, threading, warnings
import uvicorn
from dagster._utils.log import configure_loggers
from data_platform.telemetry.logs import log_as

early = logging.getLogger("early")
early.addHandler(logging.StreamHandler())
log_as("json")
log_as("json")
early.warning("1")
configure_loggers(formatter="colored")
logging.getLogger("dagster.daemon").info("2")
warnings.warn("3 by Python")
uvicorn.Config(None)
logging.getLogger("uvicorn.error").info("4")
logging.getLogger("uvicorn.access").info("%s %s %s %s %d", "5", "GET", "/", "1.1", 200)
logging.getLogger("data_platform.x").warning("6")
logging.getLogger("data_platform.x").info("not told")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise ValueError("a row: {ROW}")
"""


def test_every_logger_of_a_server_writes_json_lines_once() -> None:
    """Those that Dagster's commands and uvicorn configure for themselves, too."""
    done = subprocess.run(
        [sys.executable, "-c", _SERVER], capture_output=True, text=True, check=False
    )

    said = [json.loads(text) for text in done.stderr.splitlines()]
    assert done.returncode == 1
    assert done.stdout == ""
    assert [each["message"][0] for each in said[:6]] == ["1", "2", "<", "4", "5", "6"]
    assert "3 by Python" in said[2]["message"]
    assert [each["error"]["type"] for each in said[6:]] == ["ZeroDivisionError", "ValueError"]
    assert ROW not in done.stderr
