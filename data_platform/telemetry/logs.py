"""The log levels of libraries; the handlers are Dagster's."""

import logging

from pyspark.logger import PySparkLogger

# These log internals at INFO or WARNING; their errors are raised as exceptions.
QUIET = {
    "alembic": logging.WARNING,
    "botocore": logging.WARNING,
    "py4j": logging.ERROR,
    "pyiceberg": logging.ERROR,
    "pyspark": logging.WARNING,
    "matplotlib": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "urllib3": logging.WARNING,
}
# These log each Spark error as a line of JSON, in addition to raising it.
OF_ERRORS = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")


def quiet_libraries() -> None:
    """Suppress log messages about the libraries' internals."""
    for name in OF_ERRORS:
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
