"""A server that keeps its clients waiting in every way that HTTP allows."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator

PAUSE_S = 0.02
Serve = Callable[[socket.socket, Callable[[], bool]], None]
"""Serves a connection; asks now and then whether to go on, which takes a moment."""


def drip_headers(connection: socket.socket, goes_on: Callable[[], bool]) -> None:
    """A byte at a time, for ever."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for byte in itertools.cycle(b"X-Slow: y\r\n"):
        connection.sendall(bytes([byte]))
        if not goes_on():
            return


def say_continue(connection: socket.socket, goes_on: Callable[[], bool]) -> None:
    """One informational answer after the other."""
    connection.recv(65_536)
    while goes_on():
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")


def drip_body(connection: socket.socket, goes_on: Callable[[], bool]) -> None:
    """A chunk of one byte at a time."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n")
    while goes_on():
        connection.sendall(b"1\r\n{\r\n")


def take_slowly(connection: socket.socket, goes_on: Callable[[], bool]) -> None:
    """The request, a little at a time."""
    while goes_on():
        connection.recv(1_024)


@contextlib.contextmanager
def serving(serve: Serve) -> Iterator[str]:
    """Serve every connection so; gives the base URL."""
    over = threading.Event()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    threads: list[threading.Thread] = []

    def run(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5.0)
            serve(connection, lambda: not over.wait(PAUSE_S))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                if over.is_set():
                    connection.close()
                    return
                threads.append(threading.Thread(target=run, args=(connection,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    finally:
        over.set()
        socket.create_connection(listener.getsockname()).close()
        accepting.join()
        listener.close()
        for thread in threads:
            thread.join()
