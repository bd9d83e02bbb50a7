import logging

import pytest

from data_platform.telemetry.logs import quiet_libraries


def test_libraries_are_heard_only_when_it_matters(caplog: pytest.LogCaptureFixture) -> None:
    quiet_libraries()

    with caplog.at_level(logging.INFO):
        logging.getLogger("py4j.clientserver").info("Received command c")
        logging.getLogger("pyiceberg.io").warning("Defaulting to PyArrow")
        logging.getLogger("pyiceberg.io").error("gone")
        logging.getLogger("anything.else").info("hello")

    assert caplog.messages == ["gone", "hello"]
