"""The gateway as a running server: in the foreground for the command, in a thread for tests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.http import MAX_BODY_BYTES, create_app
from greenflash_otel.gateway.receiver import Desk
from greenflash_otel.gateway.tls import Tls

GRACE_S = 10
"""How long a stop waits for requests that are being answered."""
POLL_S = 0.02


class Gateway:
    """Takes requests for a desk. As a context, it runs in a thread.

    Args:
        port: Of OTLP/HTTP; 0 for any free one.
        grpc_port: Of OTLP/gRPC; 0 for any free one, None for none.

    Raises:
        ConfigurationError: An address or a file cannot be used.
        ModuleNotFoundError: gRPC is asked for and not installed.
    """

    def __init__(
        self,
        desk: Desk,
        host: str = "127.0.0.1",
        port: int = 4318,
        *,
        grpc_port: int | None = None,
        tls: Tls | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        if tls is not None:
            tls.check()
        self._tls = tls
        self._address = f"[{host}]" if ":" in host else host
        self._listener = _listen(host, port)
        self.port: int = self._listener.getsockname()[1]
        """Where it listens; what was found free if 0 was asked for."""
        desk.is_stopping = lambda: self._server.should_exit
        configuration = uvicorn.Config(
            create_app(desk, max_body_bytes=max_body_bytes),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            **(tls.for_uvicorn() if tls else {}),
        )
        self._server = _Server(configuration)
        self._rpc: Any = None
        self.grpc_port: int | None = None
        if grpc_port is not None:
            try:
                self._open_rpc(desk, grpc_port, max_body_bytes)
            except BaseException:
                self._listener.close()
                raise
        self.url = f"{'https' if tls else 'http'}://{self._address}:{self.port}"
        self._thread = threading.Thread(target=self._serve, name="greenflash-otel gateway", daemon=True)

    def run(self, announce: Callable[[], None] = lambda: None) -> None:
        """Serve on this thread until SIGINT or SIGTERM."""
        announce()
        self._serve()

    def __enter__(self) -> Gateway:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _open_rpc(self, desk: Desk, port: int, max_body_bytes: int) -> None:
        from greenflash_otel.gateway import grpc  # is an extra

        self._rpc = grpc.create_server(desk, max_body_bytes=max_body_bytes)
        self.grpc_port = grpc.listen(self._rpc, f"{self._address}:{port}", self._tls)

    def _serve(self) -> None:
        if self._rpc is not None:
            self._rpc.start()
        try:
            self._server.run([self._listener])
        finally:
            self._listener.close()
            if self._rpc is not None:
                self._rpc.stop(GRACE_S).wait()


class _Server(uvicorn.Server):
    """A uvicorn server that stops at once when nothing is being answered."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and turn away who gets in meanwhile: uvicorn would wait for them as long as it may."""
        stopping = asyncio.ensure_future(super().shutdown(sockets=sockets))
        while not (await asyncio.wait({stopping}, timeout=POLL_S))[0]:
            for connection in list(self.server_state.connections):
                connection.shutdown()
        await stopping


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    listener.listen(2048)
    return listener
