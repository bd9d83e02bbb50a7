"""An HTTP proxy that injects faults in front of a real store.

Requests pass unchanged, the Host header included, so that their signatures stay valid and the
responses are the store's own. A rule defines which requests fail, how many of them, and how.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Literal, NamedTuple, TypeGuard
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

BLOCK = 64 * 1024


class Request(NamedTuple):
    """A request to S3 with the bucket in the path; `key` is decoded, `query` is not."""

    method: str
    bucket: str
    key: str
    query: str

    @classmethod
    def parse(cls, method: str, target: str) -> "Request":
        """The request of an HTTP request line's method and target."""
        parts = urlsplit(target)
        bucket, _, key = parts.path.lstrip("/").partition("/")
        return cls(method, unquote(bucket), unquote(key), parts.query)


@dataclass(frozen=True)
class Refused:
    """The response is this S3 error; the request does not reach the store."""

    status: int
    code: str
    message: str


SLOW_DOWN = Refused(503, "SlowDown", "Please reduce your request rate.")
ACCESS_DENIED = Refused(403, "AccessDenied", "Access Denied")


@dataclass(frozen=True)
class Delayed:
    """The request reaches the store after a delay in seconds."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection ends after `after` bytes of the body of the request or the response.

    With `of="request"` the store gets only that part. With `of="answer"` it has executed the
    request; with `after=0` the client does not even get the status.
    """

    of: Literal["request", "answer"]
    after: int = 0


Effect = Refused | Delayed | Cut


@dataclass(kw_only=True)
class Rule:
    """Breaks `times` of the matching requests, from the `first`-th on; the others pass.

    `bucket` and `key` are regular expressions that match the full value, `query` a part of it
    (`uploads`, `list-type=2`). `hits` counts the broken requests.
    """

    effect: Effect
    method: str = ".*"
    bucket: str = ".*"
    key: str = ".*"
    query: str = ""
    first: int = 1
    times: int | None = None
    matched: int = field(default=0, init=False)
    hits: int = field(default=0, init=False)

    def matches(self, request: Request) -> bool:
        """Whether the rule applies to this request."""
        return (
            re.fullmatch(self.method, request.method) is not None
            and re.fullmatch(self.bucket, request.bucket) is not None
            and re.fullmatch(self.key, request.key, re.DOTALL) is not None
            and re.search(self.query, request.query) is not None
        )

    def breaks(self, request: Request) -> bool:
        """Whether to break this request; counts it."""
        if not self.matches(request):
            return False
        self.matched += 1
        if self.matched < self.first or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


class FaultyStore:
    """The proxy at `endpoint`. `requests` are all requests, broken ones included."""

    def __init__(self, endpoint: str, store: str) -> None:
        self.endpoint = endpoint
        self.store = store
        self.requests: list[Request] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> Rule:
        """Add a rule. If several match a request, the one added first breaks it."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all rules and recorded requests."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def effect_on(self, request: Request) -> Effect | None:
        """Record the request and return its effect, None if it passes."""
        with self._lock:
            self.requests.append(request)
            return next((rule.effect for rule in self._rules if rule.breaks(request)), None)


@contextmanager
def faulty(endpoint: str) -> Iterator[FaultyStore]:
    """A proxy on a free port of the loopback address, in front of the store at `endpoint`."""
    with _Server() as server:
        server.faults = FaultyStore(f"http://127.0.0.1:{server.server_port}", endpoint)
        # A short poll interval, so that it stops quickly when a test ends.
        serving = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        serving.start()
        try:
            yield server.faults
        finally:
            server.stopping.set()
            server.shutdown()
            serving.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # do not wait for threads with a keep-alive connection
    request_queue_size = 128
    faults: FaultyStore

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stopping = threading.Event()


class _Broken(Exception):
    """The connection is to end here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (_Broken, OSError, HTTPException):  # also if either side closed the connection
            self.close_connection = True

    def _pass_on(self) -> None:
        effect = self.server.faults.effect_on(Request.parse(self.command, self.path))
        match effect:
            case Refused():
                self._refuse(effect)
                return
            case Delayed(seconds):
                if self.server.stopping.wait(seconds):
                    raise _Broken
        store = urlsplit(self.server.faults.store)
        assert store.hostname is not None
        connection = HTTPConnection(store.hostname, store.port)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            self._ask(connection, effect.after if _cuts(effect, "request") else None)
            self._answer(
                connection.getresponse(), effect.after if _cuts(effect, "answer") else None
            )
        finally:
            connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = _pass_on

    def _ask(self, connection: HTTPConnection, cut_after: int | None) -> None:
        for block in _limited(self._request_body(), cut_after):
            try:
                connection.send(block)
            except (BrokenPipeError, ConnectionResetError):  # it responded before the end
                self.close_connection = True
                break
        if cut_after is not None:
            raise _Broken

    def _request_body(self) -> Iterator[bytes]:
        """The body as received, with the framing of its chunks."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            yield from _chunks(self.rfile)
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            block = self.rfile.read1(min(left, BLOCK))
            if not block:
                raise _Broken
            left -= len(block)
            yield block

    def _answer(self, answer: HTTPResponse, cut_after: int | None) -> None:
        if cut_after == 0:
            raise _Broken
        self.send_response_only(answer.status, answer.reason)
        chunked = answer.headers.get("Content-Length") is None
        has_body = self.command != "HEAD" and answer.status not in (204, 304)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "keep-alive", "transfer-encoding"):
                self.send_header(name, value)
        if has_body and chunked:
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            for block in _limited(iter(lambda: answer.read1(BLOCK), b""), cut_after):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            if cut_after is None and answer.length:
                raise _Broken  # the store closed the connection
            if cut_after is None and chunked:
                self.wfile.write(b"0\r\n\r\n")
        if cut_after is not None:
            raise _Broken

    def _refuse(self, refused: Refused) -> None:
        for _ in self._request_body():
            pass
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{refused.code}</Code><Message>{refused.message}</Message>"
            f"<Resource>{escape(self.path)}</Resource><RequestId>FAULTY</RequestId></Error>"
        ).encode()
        self.send_response_only(refused.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _cuts(effect: Effect | None, of: str) -> TypeGuard[Cut]:
    return isinstance(effect, Cut) and effect.of == of


def _limited(blocks: Iterator[bytes], most: int | None) -> Iterator[bytes]:
    """The first `most` bytes; all of them for None."""
    if most is None:
        yield from blocks
        return
    while most:
        block = next(blocks, b"")[:most]
        if not block:
            return
        most -= len(block)
        yield block


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    """The body of a chunked request with its framing, up to the line that ends it."""
    while True:
        line = stream.readline()
        if not line:
            raise _Broken
        size = int(line.partition(b";")[0], 16)
        yield line + (stream.read(size + 2) if size else b"")
        if not size:
            break
    while (line := stream.readline()) not in (b"\r\n", b"\n", b""):  # trailers
        yield line
    yield line
