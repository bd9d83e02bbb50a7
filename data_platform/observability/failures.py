"""How a step fails: the cause first, and another try only where time may heal it."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from sqlalchemy.exc import OperationalError

from data_platform.contracts.errors import ContractError
from data_platform.lake.errors import LakeError, PartitionConflict
from data_platform.landing.ledger_tables import LedgerError

# Another writer, a locked database, a network that stuttered. Bad data is in none of these: it
# would be judged the same again.
TRANSIENT = (
    PartitionConflict,
    LedgerError,
    OperationalError,
    ConnectionError,
    TimeoutError,
)
EXPLAINED = (LakeError, ContractError)
MAX_RETRIES = 2
WAIT_SECONDS = 3


@contextmanager
def failures_explained() -> Iterator[None]:
    """Transient errors ask Dagster for a retry; those that say their way out become the run's
    message; anything else is left as it is, with its stack trace."""
    try:
        yield
    except TRANSIENT as error:
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=WAIT_SECONDS) from error
    except EXPLAINED as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
