"""Check whether an engine answers: once, or for as long as a run uses it."""

import threading
from collections.abc import Callable

ANSWERS_WITHIN = 10  # seconds
BUSY_ANSWERS_WITHIN = 60  # while runs use it, this one or others

# The queries of several runs on two busy cores delay an answer by a few seconds. One request may
# expire although it was answered, as when a suspended machine resumes; so two in a row must fail.
_ASKED_EVERY = 10  # seconds
_UNANSWERED = 2


def answers(address: str, seconds: float = ANSWERS_WITHIN) -> bool:
    """Whether an engine answers a request of the address's session in time, without an error."""
    request = _Request(address)
    try:
        return request.sent(seconds) == "OK"
    finally:
        request.close()


def watch(address: str, lost: Callable[[], None]) -> Callable[[], None]:
    """Call `lost`, once, if an engine stops answering; returns a function that ends the watch.

    Calls of Spark Connect have no deadline, since a query may take hours: if the engine is frozen,
    they never return. So a thread sends requests meanwhile, on its own connection.
    """
    ended = threading.Event()
    request = _Request(address)

    def ask() -> None:
        unanswered = 0
        while unanswered < _UNANSWERED and not ended.wait(_ASKED_EVERY):
            status = request.sent(BUSY_ANSWERS_WITHIN / _UNANSWERED)
            # Any other error is an answer, such as that the session is closed.
            silent = status in ("DEADLINE_EXCEEDED", "UNAVAILABLE")
            unanswered = unanswered + 1 if silent else 0
        request.close()
        if not ended.is_set():
            lost()

    threading.Thread(target=ask, name="watch of the engine", daemon=True).start()
    return ended.set


class _Request:
    """A request for the engine's version, the cheapest one, on its own connection."""

    def __init__(self, address: str) -> None:
        from pyspark.sql.connect.client.core import DefaultChannelBuilder  # slow to import
        from pyspark.sql.connect.proto import AnalyzePlanRequest, SparkConnectServiceStub

        builder = DefaultChannelBuilder(address)
        version = AnalyzePlanRequest.SparkVersion()
        request = AnalyzePlanRequest(session_id=builder.session_id or "", spark_version=version)
        request.user_context.user_id = builder.userId or ""
        self._channel = builder.toChannel()
        self._send = SparkConnectServiceStub(self._channel).AnalyzePlan
        self._request, self._metadata = request, tuple(builder.metadata())

    def sent(self, seconds: float) -> str:
        """Send it, wait for the answer, and return the name of the gRPC status."""
        import grpc

        try:
            self._send(self._request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            return error.code().name  # type: ignore[attr-defined]
        return "OK"

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
