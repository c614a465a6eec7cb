"""Put one deadline around an attempt's whole use of the network: look-up, connecting, TLS, upload, answer.

The time limits of an HTTP client apply to each wait. A server can send one byte a second, or one
``100 Continue`` after the other. It exceeds none of the limits and still delays an attempt without end.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Final

import httpcore

WRITE_BYTES: Final = 8_192
"""Of an upload between two looks at the clock. A send buffer that has room at all has room for so much."""


class Deadline:
    """The moment at which an attempt is over."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until_s = clock() + limit_s

    def compute_left_s(self) -> float:
        """Return the seconds that are left; 0 or less when the time is over."""
        return self._until_s - self._clock()


_deadline: ContextVar[Deadline | None] = ContextVar("greenflash_otel_deadline", default=None)


@contextlib.contextmanager
def attempt_until(deadline: Deadline) -> Iterator[None]:
    """Let every `DeadlineStream` that the block uses keep to a deadline."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def _limit_s(timeout: float | None, over: type[httpcore.TimeoutException]) -> float | None:
    """Return how long the next wait may take; raise `over` if no time is left."""
    if (deadline := _deadline.get()) is None:
        return timeout
    if (left_s := deadline.compute_left_s()) <= 0:
        raise over("the time for this attempt is over")
    return left_s if timeout is None else min(timeout, left_s)


class DeadlineStream(httpcore.NetworkStream):
    """A connection, each use of which keeps to the deadline of the attempt that uses it."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, or wait for it."""
        return self._stream.read(max_bytes, _limit_s(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it, a little at a time."""
        for start in range(0, len(buffer), WRITE_BYTES):
            part = buffer[start : start + WRITE_BYTES]
            self._stream.write(part, _limit_s(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS; the handshake keeps to the deadline too."""
        limit_s = _limit_s(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, limit_s))

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection itself knows."""
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections that keep to the deadline of the attempt that uses them."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Try the addresses of a host in turn. Each has its share of the time; none can use it up."""
        addresses = _look_up(host, port, _limit_s(timeout, httpcore.ConnectTimeout))
        for following in range(len(addresses) - 1, -1, -1):
            address = addresses[len(addresses) - 1 - following]
            limit_s = _limit_s(timeout, httpcore.ConnectTimeout)
            share_s = None if limit_s is None else limit_s / (following + 1)
            try:
                stream = self._backend.connect_tcp(address, port, share_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not following:
                    raise
            else:
                return DeadlineStream(stream)
        raise httpcore.ConnectError(f"{host} has no address")


def _look_up(host: str, port: int, limit_s: float | None) -> list[str]:
    """Return the addresses of a host. The system's resolver knows no time limit, so it gets a thread."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return [host]
    results: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            results.put(list(dict.fromkeys(map(_read_address, entries))))
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for the result
            results.put(error)

    try:
        threading.Thread(target=resolve, name="greenflash-otel resolver", daemon=True).start()
    except RuntimeError:  # the interpreter is about to end
        resolve()
    try:
        result = results.get(timeout=limit_s)
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from None
    if isinstance(result, Exception):
        raise httpcore.ConnectError(f"{host} cannot be resolved") from result
    return result


def _read_address(entry: tuple[Any, ...]) -> str:
    """Return the address of an answer of the resolver; a link-local one with its zone."""
    sockaddr = entry[4]
    address, zone = str(sockaddr[0]), sockaddr[3] if len(sockaddr) > 3 else 0
    return f"{address}%{zone}" if zone and "%" not in address else address
