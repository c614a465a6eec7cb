"""The gateway as a running server: in the foreground for the command, in a thread for tests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.connections import ACCEPTED_AT_ONCE, Connections, LimitedProtocol
from greenflash_otel.gateway.http import create_app
from greenflash_otel.gateway.limits import SenderLimits
from greenflash_otel.gateway.receiver import OtlpReceiver
from greenflash_otel.gateway.shares import Shares
from greenflash_otel.gateway.tls import Tls

GRACE_S = 10
"""How long a stop waits for requests that are being answered."""
POLL_S = 0.02
BACKLOG = 2048


class Gateway:
    """Takes requests for a receiver. As a context, it runs in a thread.

    Args:
        port: Of OTLP/HTTP; 0 for any free one.
        grpc_port: Of OTLP/gRPC; 0 for any free one, None for none.
        limits: How long senders may take, and how many may be there.

    Raises:
        ConfigurationError: An address or a file cannot be used.
        ModuleNotFoundError: gRPC is asked for and not installed.
    """

    def __init__(
        self,
        receiver: OtlpReceiver,
        host: str = "127.0.0.1",
        port: int = 4318,
        *,
        grpc_port: int | None = None,
        tls: Tls | None = None,
        limits: SenderLimits | None = None,
    ) -> None:
        context = tls.make_http_context() if tls is not None else None
        limits = limits or SenderLimits()
        self._tls = tls
        self._address = f"[{host}]" if ":" in host else host
        self._listener = _listen(host, port)
        self.port: int = self._listener.getsockname()[1]
        """Where it listens; what was found free if 0 was asked for."""
        receiver.is_stopping = lambda: self._server.should_exit
        shares = self._shares = Shares(limits, receiver.limits.max_bytes)
        connections = Connections(limits, context)
        configuration = uvicorn.Config(
            create_app(receiver, limits=limits, shares=shares),
            http=cast("Any", partial(LimitedProtocol, connections)),  # it is called as the class would be
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # one line for each bad request would be for strangers to write
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            backlog=ACCEPTED_AT_ONCE,
        )
        self._server = _GatewayServer(configuration, connections)
        self._loop = (configuration.get_loop_factory() or asyncio.new_event_loop)()
        self._rpc: Any = None
        self.grpc_port: int | None = None
        if grpc_port is not None:
            try:
                self._open_rpc(receiver, grpc_port, shares)
            except BaseException:
                self._loop.close()
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

    def _open_rpc(self, receiver: OtlpReceiver, port: int, shares: Shares) -> None:
        from greenflash_otel.gateway import grpc  # is an extra

        self._rpc = self._loop.run_until_complete(grpc.create_server(receiver, shares))
        self.grpc_port = grpc.listen(self._rpc, f"{self._address}:{port}", self._tls)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve_both())
        finally:
            self._listener.close()
            self._shares.close()
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _serve_both(self) -> None:
        if self._rpc is not None:
            await self._rpc.start()
        try:
            await self._server.serve([self._listener])
        finally:
            if self._rpc is not None:
                await self._rpc.stop(GRACE_S)


class _GatewayServer(uvicorn.Server):
    """A uvicorn server that stops at once when nothing is being answered."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._open = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, with as many connections waiting in the kernel as it allows.

        For asyncio the length of that queue is also the number of connections it accepts in one go. It would
        open more files than there may be, before any connection could be ended.
        """
        await super().startup(sockets=sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and turn away who gets in meanwhile: uvicorn would wait for them as long as it may."""
        stopping = asyncio.ensure_future(super().shutdown(sockets=sockets))
        while not (await asyncio.wait({stopping}, timeout=POLL_S))[0]:
            for connection in self._open:
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
    listener.listen(BACKLOG)
    return listener
