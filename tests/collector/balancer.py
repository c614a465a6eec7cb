"""A balancer of connections between gateways, as a Service of Kubernetes is one."""

from __future__ import annotations

import itertools
import socket
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


@contextmanager
def balancer(port: int, gateways: Sequence[int]) -> Iterator[None]:
    """Hands each connection to the next gateway in turn that listens; closes it if there is none."""
    turns = itertools.count()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            first = next(turns)
            for number in range(len(gateways)):
                with suppress(ConnectionError):
                    chosen = gateways[(first + number) % len(gateways)]
                    with socket.create_connection(("127.0.0.1", chosen)) as upstream:
                        _join(self.request, upstream)
                    break

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def _join(one: socket.socket, other: socket.socket) -> None:
    """Carry what either says to the other until both are silent."""
    back = threading.Thread(target=_carry, args=(other, one), daemon=True)
    back.start()
    _carry(one, other)
    back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
