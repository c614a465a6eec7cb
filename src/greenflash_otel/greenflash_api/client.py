"""The only way out over HTTP: sends a request once and says what came of it.

It never raises, never follows a redirect (the key stays with the host it was given for), never logs, and
nothing it does is traced. Whether and when to send again is decided in ``delivery/policy.py``.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from email.utils import formatdate
from importlib import metadata
from typing import Final

import httpx
from opentelemetry import context as otel_context
from opentelemetry.context import (  # what the SDK's own exporters set; there is no public name for it
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
)

from greenflash_otel.greenflash_api.answer import Answer, Fault
from greenflash_otel.greenflash_api.request import ApiRequest

MAX_BODY_BYTES: Final = 1_048_576
"""Of an answer. A whole one, a hundred messages, is about 20 KB."""

_SUPPRESSING = (_SUPPRESS_INSTRUMENTATION_KEY, _SUPPRESS_HTTP_INSTRUMENTATION_KEY, "suppress_instrumentation")


class Client:
    """Sends requests to one API with one key. Thread-safe. Connections are never shared with a forked child.

    Args:
        base_url: Up to and including ``/api/v1``.
        api_key: Goes into the ``Authorization`` header and nowhere else.
        http_client: Yours, e.g. with a proxy or a private CA; it is not closed here, and its connections
            are not kept alive, so that a forked child finds none of them.
        timeout_s: For connecting, for each wait within the exchange, and for reading the whole answer.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        http_client: httpx.Client | None = None,
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = _headers(api_key) | ({"connection": "close"} if http_client else {})
        self._given = http_client
        self._own: dict[int, httpx.Client] = {}
        """By process. Closing a parent's would say goodbye on connections that it still uses."""
        self._timeout_s = timeout_s
        self._clock = clock

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Send a request once.

        Args:
            timeout_s: A shorter limit than the client's, for the end of a process.
        """
        limit_s = self._timeout_s if timeout_s is None else max(0.001, min(timeout_s, self._timeout_s))
        token = otel_context.attach(otel_context.Context(dict.fromkeys(_SUPPRESSING, True)))
        try:
            return self._exchange(request, limit_s)
        except Exception as error:  # noqa: BLE001 - a given client can raise anything; the value tells of it
            return Answer(None, fault=_fault(error))
        finally:
            otel_context.detach(token)

    def close(self) -> None:
        """Close our own connections. Sending again would open new ones."""
        if (own := self._own.pop(os.getpid(), None)) is not None:
            own.close()

    def _exchange(self, request: ApiRequest, limit_s: float) -> Answer:
        url, until_s = self._base_url + request.path, self._clock() + limit_s
        with self._http().stream(
            "POST",
            url,
            content=request.body,
            headers=self._headers,
            timeout=limit_s,
            auth=None,
            follow_redirects=False,
        ) as response:
            return Answer(
                response.status_code,
                self._read(response, until_s),
                retry_after=response.headers.get("retry-after"),
                date=response.headers.get("date") or formatdate(usegmt=True),
            )

    def _read(self, response: httpx.Response, until_s: float) -> bytes:
        """As much of the body as comes in time; a status is worth having without it."""
        body = b""
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) >= MAX_BODY_BYTES or self._clock() >= until_s:
                    break
        except httpx.HTTPError:
            return body
        return body[:MAX_BODY_BYTES]

    def _http(self) -> httpx.Client:
        if self._given is not None:
            return self._given
        pid = os.getpid()
        if pid not in self._own:
            self._own.setdefault(pid, httpx.Client())  # of two threads, one's goes unused and never connects
        return self._own[pid]


def _headers(api_key: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {api_key}",
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",  # answers are small, and nobody can send us a bomb
        "user-agent": f"greenflash-otel/{_version()}",
    }


def _version() -> str:
    try:
        return metadata.version("greenflash-otel")
    except metadata.PackageNotFoundError:
        return "unknown"


def _fault(error: BaseException) -> Fault:
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls"
        cause = cause.__cause__ or cause.__context__
    return "connection" if isinstance(error, httpx.TransportError) else "client"
