"""Bound the connections over HTTP: how many there are, and how long each may send nothing.

A sender without a token can open connections and send half of a head. That costs the gateway a little memory for
a bounded time. At the highest number of connections, the gateway closes one that waits for a head: the oldest
of the address that has the most.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from greenflash_otel.gateway.limits import SenderLimits

RESERVED_FILES = 64
"""Files that the process needs for other things than senders: outboxes, and connections to Greenflash."""
MIN_CONNECTIONS = 8
ACCEPTED_AT_ONCE = 8
"""Connections that asyncio accepts before the first of them is counted."""
LINGER_S = 1.0
MAX_PIPELINED = 8
"""Requests that a connection may send ahead."""


def choose_max_connections(limits: SenderLimits) -> int:
    """Return how many connections there may be, in view of the files that the process may open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return limits.max_connections
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return limits.max_connections
    return max(min(limits.max_connections, (files - RESERVED_FILES) * 3 // 4), MIN_CONNECTIONS)


class Connections:
    """The open connections. Belongs to one event loop."""

    def __init__(self, limits: SenderLimits, tls: ssl.SSLContext | None = None) -> None:
        self.limits = limits
        self.tls = tls
        self._max = choose_max_connections(limits)
        self._open: dict[LimitedProtocol, None] = {}
        self._by_peer: Counter[str] = Counter()

    def __iter__(self) -> Any:
        return iter(list(self._open))

    def add(self, connection: LimitedProtocol) -> None:
        """Let a connection in. Another one ends, or this one, if there are too many."""
        self._open[connection] = None
        self._by_peer[connection.peer] += 1
        if len(self._open) > self._max:
            idle = [
                candidate for candidate in self._open if candidate.is_idle and candidate is not connection
            ]
            # max() takes the first of equals, which is the oldest.
            victim = max(idle, key=lambda candidate: self._by_peer[candidate.peer], default=connection)
            self.discard(victim)  # at once: asyncio reports its end only after others have come
            victim.end()

    def discard(self, connection: LimitedProtocol) -> None:
        """Forget a connection that ended."""
        if self._open.pop(connection, connection) is None:
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]


class LimitedProtocol(HttpToolsProtocol):
    """A connection of uvicorn's with deadlines, and a bound for the head of a request."""

    def __init__(self, open_connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = open_connections
        self._limits = open_connections.limits
        self.peer = ""
        self.is_idle = True
        """It waits for the head of a request."""
        self._raw: Any = None
        self._deadline: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._head_bytes = 0
        self._header_bytes = 0
        self._has_begun = False
        """The head of a request has begun, and not ended."""
        self._is_whole = True
        """The last request has come to its end."""

    def connection_made(self, transport: Any) -> None:
        """Count the connection, and speak TLS with it if that is asked for."""
        self._raw = transport
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if isinstance(name, tuple) else ""
        self._all.add(self)
        if transport.is_closing():
            return
        self._expect(self._limits.head_s)
        if self._all.tls is None:
            super().connection_made(transport)
        else:
            self._handshake = self.loop.create_task(self._secure(transport, self._all.tls))

    async def _secure(self, transport: Any, context: ssl.SSLContext) -> None:
        try:
            secured = await self.loop.start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._limits.head_s,
            )
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - whatever it was, nobody can be answered
            secured = None
        if secured is None or transport.is_closing():
            self.end()
            self._forget()
            return
        super().connection_made(secured)
        if self._early:
            self.data_received(bytes(self._early))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget()
        if self.transport is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as far as the head of a request is not too large."""
        if self.transport is None:  # it came with the end of the handshake
            self._early += data
            return
        if self.is_idle:
            self._head_bytes += len(data)
        try:
            super().data_received(data)
        except Exception:  # noqa: BLE001 - a request that uvicorn cannot make sense of, e.g. its path
            self.end()
            return
        if self.is_idle and self._head_bytes > self._limits.max_head_bytes:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Begin a request: its head has a deadline."""
        super().on_message_begin()
        self._header_bytes, self._has_begun = 0, True
        if self.cycle is None or self.cycle.response_complete:
            self._expect(self._limits.head_s)

    def on_url(self, url: bytes) -> None:
        """Read a part of the request line."""
        self._count_header(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header, or a trailer."""
        self._count_header(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests ahead")
        self._head_bytes, self._has_begun = 0, False
        self.is_idle, self._is_whole = False, False
        self._expect(self._limits.request_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request, whose answer may be out already."""
        self._is_whole = True
        if self.cycle is not None and self.cycle.response_complete:
            self._wait_for_next()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; not long for what is left of one that was answered before its end."""
        super().on_response_complete()
        if not self.cycle.response_complete:  # the next one, which was sent ahead
            self._expect(self._limits.request_s)
        elif self._is_whole:
            self._wait_for_next()
        else:
            self._expect(LINGER_S)

    def timeout_keep_alive_handler(self) -> None:
        """Leave it to the deadline, which bytes of a head that never ends do not put off."""

    def shutdown(self) -> None:
        """End the connection, after the answer to what it asked."""
        if self.transport is None:
            self.end()
        else:
            super().shutdown()

    def end(self) -> None:
        """End the connection now."""
        if self._raw is not None:
            self._raw.abort()

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.max_head_bytes:
            raise ValueError("the head is too large")  # the parser stops, and uvicorn answers 400

    def _wait_for_next(self) -> None:
        self.is_idle, self._head_bytes = True, 0
        self._expect(self._limits.head_s if self._has_begun else self._limits.idle_s)

    def _expect(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._close_late)

    def _close_late(self) -> None:
        if self.is_idle and self._has_begun:
            self._refuse(b"408 Request Timeout")
        else:
            self.end()

    def _refuse(self, status: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            self.end()
            return
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._all.discard(self)
