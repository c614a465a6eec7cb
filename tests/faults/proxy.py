"""A bad network of one's own: passes HTTP on between clients and a server, and does harm on order.

One thread per connection. It understands just enough HTTP/1.1, ``Content-Length``, to know where a request
ends, so that each request can have a fault of its own on a connection that is kept alive.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

LINE_END: Final = b"\r\n"
HEAD_END: Final = LINE_END * 2
CHUNK_BYTES: Final = 65_536
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
SEVEN_BYTES: Final = 7


@dataclass(frozen=True)
class Exchange:
    """One request on its way, for a fault to deal with."""

    client: socket.socket
    request: bytes
    ask: Callable[[], bytes]
    """Has the server answer the request; may be called any number of times."""
    stopping: threading.Event
    """Set when the proxy stops: whoever waits, waits for this."""


Fault: TypeAlias = Callable[[Exchange], bool]
"""Deals with an exchange; False if the connection is over."""


def pass_on(exchange: Exchange) -> bool:
    """No fault at all."""
    exchange.client.sendall(exchange.ask())
    return True


def reset_before(exchange: Exchange) -> bool:
    """The server never sees the request."""
    return _reset(exchange)


def reset_after(exchange: Exchange) -> bool:
    """The server has the request; the client never learns of it."""
    exchange.ask()
    return _reset(exchange)


def hang_up_after(exchange: Exchange) -> bool:
    """As `reset_after`, but politely: the connection ends where the answer should begin."""
    exchange.ask()
    return False


def answer_and_hang_up(exchange: Exchange) -> bool:
    """All is well, but the connection, which the client thinks is kept alive, is closed behind its back."""
    exchange.client.sendall(exchange.ask())
    return False


def cut_answer(exchange: Exchange) -> bool:
    """The answer breaks off in the middle."""
    answer = exchange.ask()
    exchange.client.sendall(answer[: len(answer) // 2])
    return False


def cut_body(exchange: Exchange) -> bool:
    """All of the answer arrives but for the end of its body."""
    exchange.client.sendall(exchange.ask()[:-SEVEN_BYTES])
    return False


def drip(exchange: Exchange) -> bool:
    """The answer comes a few bytes at a time."""
    answer = exchange.ask()
    for start in range(0, len(answer), SEVEN_BYTES):
        exchange.client.sendall(answer[start : start + SEVEN_BYTES])
        if exchange.stopping.wait(0.002):
            return False
    return True


def stall(exchange: Exchange) -> bool:
    """The server has the request, and its answer does not come before the client gives up."""
    exchange.ask()
    _wait_for_end(exchange)
    return False


def swallow(exchange: Exchange) -> bool:
    """The request is lost without a word."""
    _wait_for_end(exchange)
    return False


def repeat_late(exchange: Exchange) -> bool:
    """As `stall`; and when the client has given up, the request arrives once more."""
    exchange.ask()
    with contextlib.suppress(OSError):
        _wait_for_end(exchange)
    exchange.ask()
    return False


def twice(exchange: Exchange) -> bool:
    """The request arrives twice, at once."""
    exchange.ask()
    return pass_on(exchange)


FAULTS: Final[tuple[Fault, ...]] = (
    reset_before, reset_after, hang_up_after, answer_and_hang_up, cut_answer, cut_body, drip, stall, swallow,
    repeat_late, twice,
)  # fmt: skip


class Proxy:
    """Listens on loopback and passes on to a server, while in its ``with`` block.

    Args:
        target: Port of the server, or how to find it out: it may have come back on another.
        choose: The fault for each request; called by many threads.
    """

    def __init__(self, target: Callable[[], int], choose: Callable[[], Fault]) -> None:
        self._target = target
        self._choose = choose
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.done: Counter[str] = Counter()
        """How often each fault was dealt out."""

    def __enter__(self) -> Proxy:
        self._start(self._listen)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopping.set()
        self._listener.close()
        with contextlib.suppress(OSError):  # wakes the thread that accepts
            socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self._threads:
            thread.join()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive() or not thread.ident]
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        self._listener.settimeout(0.05)
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                client.settimeout(0.05)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while (request := self._read(client)) is not None:
                fault = self._choose()
                self.done[fault.__name__] += 1
                exchange = Exchange(client, request, lambda: self._ask(request), self._stopping)
                if not fault(exchange):
                    return

    def _ask(self, request: bytes) -> bytes:
        """Send a request to the server, on a connection of its own, and read the answer."""
        with socket.create_connection(("127.0.0.1", self._target()), timeout=10) as server:
            server.sendall(request)
            answer = self._read(server)
            if answer is None:
                raise OSError("the server said nothing")
            return answer

    def _read(self, connection: socket.socket) -> bytes | None:
        """One request or answer, head and body; None if there is none any more."""
        data = b""
        while (missing := _missing_bytes(data)) > 0:
            try:
                part = connection.recv(min(missing, CHUNK_BYTES))
            except TimeoutError:
                if self._stopping.is_set():
                    return None
                continue
            if not part:
                return None
            data += part
        return data


def _missing_bytes(data: bytes) -> int:
    """How much may be read and still belongs to the message that began so."""
    head, found, body = data.partition(HEAD_END)
    if not found:
        return 1 if data.endswith((b"\r", b"\n")) else len(HEAD_END)
    for line in head.lower().split(LINE_END):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2]) - len(body)
    return 0


def _reset(exchange: Exchange) -> bool:
    exchange.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    return False


def _wait_for_end(exchange: Exchange) -> None:
    """Wait until the client hangs up. A reset, which raises, ends the connection as well."""
    while not exchange.stopping.is_set():
        with contextlib.suppress(TimeoutError):
            if not exchange.client.recv(CHUNK_BYTES):
                return
