"""Send a request once over HTTP and return its answer. No other module sends one.

It never raises, never follows a redirect (the key stays with the host it was given for), never logs, and
nothing it does is traced. Whether and when to send again is decided in ``delivery/policy.py``.
"""

from __future__ import annotations

import os
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from email.utils import formatdate
from importlib import metadata
from typing import Final

import httpcore
import httpx
from opentelemetry import context as otel_context

from greenflash_otel import internal_errors
from greenflash_otel.greenflash_api.answer import Answer, Fault
from greenflash_otel.greenflash_api.connections import open_pool
from greenflash_otel.greenflash_api.cutoff import Cutoff
from greenflash_otel.greenflash_api.deadline import Deadline, attempt_until
from greenflash_otel.greenflash_api.quiet import without_log_lines
from greenflash_otel.greenflash_api.request import API_PATHS, ApiRequest, is_api_path
from greenflash_otel.suppression import UNTRACED

TIMEOUT_S: Final = 10.0
"""For a whole attempt, from the look-up of the host to the last byte of the answer."""
MAX_BODY_BYTES: Final = 1_048_576
"""Of an answer. A whole one, a hundred messages, is about 20 KB."""
MAX_ECHO_BYTES: Final = 16 * MAX_BODY_BYTES
"""Of an answer that accepts a user or an organization: it repeats the properties that were sent."""

_TIMEOUTS = (httpx.TimeoutException, httpcore.TimeoutException)
_CONNECTION_ERRORS = (
    httpx.TransportError,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


class Client:
    """Sends requests to one API with one key. Thread-safe. Connections are never shared with a forked child.

    Args:
        base_url: Up to and including ``/api/v1``.
        api_key: Goes into the ``Authorization`` header and nowhere else.
        http_client: Yours, e.g. with a proxy or a private CA; it is not closed here, and its connections
            are not reused, so that a forked child finds none of them. It logs nothing about deliveries.
            Its connections are cut when the time is over, if its transport knows httpx's extension
            ``trace``, as httpx's own does. Otherwise the limit applies to each wait, and to the body.
        timeout_s: One limit for a whole attempt: look-up, connecting, upload, and the whole answer.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        http_client: httpx.Client | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = api_key.encode()
        self._headers = _make_headers(api_key)
        self._raw_headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        self._urls: dict[str, httpcore.URL] = {}
        self._prepared: dict[str, _Prepared] = {}
        self._http_client = http_client
        self._pools: dict[int, httpcore.ConnectionPool] = {}
        """By process. Closing a parent's would say goodbye on connections that it still uses."""
        self._timeout_s = timeout_s
        self._clock = clock

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Send a request once.

        Args:
            timeout_s: A shorter limit than the client's, for the end of a process.
        """
        if not is_api_path(request.path):  # before it meets the key
            return Answer(None, fault="path")
        limit_s = self._timeout_s if timeout_s is None else max(0.001, min(timeout_s, self._timeout_s))
        token = otel_context.attach(UNTRACED)
        try:
            with without_log_lines():
                if self._http_client is None:
                    return self._exchange(request, limit_s)
                return self._exchange_with(self._http_client, request, limit_s)
        except Exception as error:  # noqa: BLE001 - a client that was passed can raise anything
            return Answer(None, fault=_make_fault(error))
        finally:
            otel_context.detach(token)

    def close(self) -> None:
        """Close our own connections. Sending again would open new ones."""
        if (pool := self._pools.pop(os.getpid(), None)) is not None:
            with without_log_lines():
                pool.close()

    def _exchange(self, request: ApiRequest, limit_s: float) -> Answer:
        """Send on a connection of our own."""
        deadline = Deadline(limit_s, self._clock)
        with (
            attempt_until(deadline),
            self._get_pool().stream(
                "POST",
                self._find_url(request.path),
                headers=self._raw_headers,
                content=request.body,
                extensions={"timeout": _limit_waits(limit_s)},
            ) as response,
        ):
            headers = {
                name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers
            }
            return self._request_answer(response.status, headers, response.iter_stream(), deadline)

    def _exchange_with(self, http_client: httpx.Client, request: ApiRequest, limit_s: float) -> Answer:
        """Send with the client that was passed."""
        deadline = Deadline(limit_s, self._clock)
        with Cutoff(limit_s) as cutoff:
            try:
                response = http_client.send(
                    self._prepare(http_client, request, limit_s, cutoff),
                    stream=True,
                    auth=None,
                    follow_redirects=False,
                )
                with closing(response):
                    return self._request_answer(
                        response.status_code, response.headers, response.iter_raw(), deadline
                    )
            except Exception:
                if cutoff.is_over:
                    return Answer(None, fault="timeout")
                raise

    def _prepare(
        self, http_client: httpx.Client, request: ApiRequest, limit_s: float, cutoff: Cutoff
    ) -> httpx.Request:
        """Make a request as the client that was passed would make it; what is always the same is made once."""
        prepared = self._prepared.get(request.path)
        if prepared is None or not prepared.is_of(http_client):
            prepared = _Prepared(http_client, self._base_url + request.path, self._headers)
            if request.path in API_PATHS:  # others name users, of whom there is no end
                self._prepared[request.path] = prepared
        return httpx.Request(
            "POST",
            prepared.url,
            headers=prepared.headers,
            content=request.body,
            extensions={"trace": cutoff.watch, "timeout": _limit_waits(limit_s)},
        )

    def _find_url(self, path: str) -> httpcore.URL:
        if (url := self._urls.get(path)) is None:
            full_url = httpx.URL(self._base_url + path)
            url = httpcore.URL(
                scheme=full_url.raw_scheme,
                host=full_url.raw_host,
                port=full_url.port,
                target=full_url.raw_path,
            )
            if path in API_PATHS:
                self._urls[path] = url
        return url

    def _request_answer(
        self, status: int, headers: Mapping[str, str], chunks: Iterable[bytes], deadline: Deadline
    ) -> Answer:
        limit_bytes = MAX_ECHO_BYTES if status < 300 else MAX_BODY_BYTES
        body, is_cut = _read(chunks, deadline, limit_bytes)
        if headers.get("content-encoding", "identity") != "identity":
            body = _decompress(body)
        return Answer(
            status,
            body.replace(self._key, b"[API key]"),  # whoever quotes it must not bring it into a log
            is_cut,
            content_type=headers.get("content-type"),
            retry_after=headers.get("retry-after"),
            date=headers.get("date") or formatdate(usegmt=True),
        )

    def _get_pool(self) -> httpcore.ConnectionPool:
        pid = os.getpid()
        if pid not in self._pools:
            # Of two threads, one's goes unused and never connects.
            self._pools.setdefault(pid, open_pool(self._base_url))
        return self._pools[pid]


class _Prepared:
    """The address and the headers of requests on one path, as a client that was passed merges them."""

    def __init__(self, http_client: httpx.Client, url: str, headers: Mapping[str, str]) -> None:
        request = http_client.build_request("POST", url, headers={**headers, "connection": "close"})
        self.url = request.url
        self.headers = request.headers
        self.headers.pop("content-length", None)
        self._state = _read_state(http_client)

    def is_of(self, http_client: httpx.Client) -> bool:
        """Return whether the client would still make the same."""
        return self._state == _read_state(http_client)


def _limit_waits(limit_s: float) -> dict[str, float]:
    """Return a limit for each wait of a request, as the extension ``timeout`` has it."""
    return dict.fromkeys(("connect", "read", "write", "pool"), limit_s)


def _read_state(http_client: httpx.Client) -> tuple[object, ...]:
    """Return what a client adds to each request of its own."""
    cookies = [(cookie.name, cookie.value) for cookie in http_client.cookies.jar]
    return http_client.headers.raw, str(http_client.params), cookies


def _read(chunks: Iterable[bytes], deadline: Deadline, limit_bytes: int) -> tuple[bytes, bool]:
    """Read as much of a body as comes in time, and say whether it broke off: a status counts without it."""
    body = b""
    try:
        for chunk in chunks:
            body += chunk
            if len(body) >= limit_bytes:
                return body[:limit_bytes], False
            if deadline.compute_left_s() <= 0:
                return body, True
    except (httpx.HTTPError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return body, True
    return body, False


def _decompress(body: bytes) -> bytes:
    """Unpack what a server compressed although it was asked not to, within bounds."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        return body


def _make_headers(api_key: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {api_key}",
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",  # answers are small, and nobody can send us a bomb
        "user-agent": f"greenflash-otel/{_find_version()}",
    }


def _find_version() -> str:
    try:
        return metadata.version("greenflash-otel")
    except metadata.PackageNotFoundError:
        return "unknown"


def _make_fault(error: Exception) -> Fault:
    if isinstance(error, _TIMEOUTS):
        return "timeout"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, _CONNECTION_ERRORS):
        return "connection"
    internal_errors.count("send with the HTTP client; what was captured waits", error)
    return "client"
