import io
import logging
from collections.abc import Iterator

import pytest

from data_platform.observability.logs import QUIET, configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    loggers = [root, logging.getLogger("data_platform"), *map(logging.getLogger, QUIET)]
    before = [(logger, logger.level) for logger in loggers]
    handlers = root.handlers[:]
    yield io.StringIO()
    root.handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


def test_a_line_is_a_time_and_a_message(stream: io.StringIO) -> None:
    configure_logging(stream=stream)

    logging.getLogger("data_platform.landing").info("read %d rows", 12)

    time, message = stream.getvalue().split(" ", 1)
    assert len(time) == len("12:30:05")
    assert message == "read 12 rows\n"


def test_libraries_are_heard_only_when_it_matters(stream: io.StringIO) -> None:
    configure_logging(stream=stream)

    logging.getLogger("py4j.clientserver").info("Received command c")
    logging.getLogger("pyiceberg.io").warning("Defaulting to PyArrow")
    logging.getLogger("anything.else").info("hello")
    logging.getLogger("anything.else").warning("disk is full")

    assert stream.getvalue().endswith("warning: disk is full\n")
    assert stream.getvalue().count("\n") == 1


def test_configuring_twice_says_everything_once(stream: io.StringIO) -> None:
    configure_logging(stream=stream)
    configure_logging(stream=stream)

    logging.getLogger("data_platform").warning("once")

    assert stream.getvalue().count("once") == 1


def test_an_error_shows_its_cause_before_its_stack(stream: io.StringIO) -> None:
    configure_logging(stream=stream)

    try:
        raise ValueError("the first line\nand details")
    except ValueError:
        logging.getLogger("data_platform").exception("the load failed")

    first, *stack = stream.getvalue().splitlines()
    assert first.endswith("error: the load failed: the first line")
    assert stack[0].startswith("Traceback")
