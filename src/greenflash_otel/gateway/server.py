"""The gateway as a running server: in the foreground for the command, in a thread for tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable

import uvicorn

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.app import MAX_BODY_BYTES, create_app
from greenflash_otel.pipeline import Pipeline

GRACE_S = 10
"""How long a stop waits for requests that are being answered."""


class Gateway:
    """Takes spans for a pipeline, which stays its owner's. As a context, it runs in a thread.

    Raises:
        ConfigurationError: The address cannot be used.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        host: str = "127.0.0.1",
        port: int = 4318,
        *,
        tokens: Iterable[str] = (),
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._listener = _listen(host, port)
        self.port: int = self._listener.getsockname()[1]
        """Where it listens; what was found free if 0 was asked for."""
        app = create_app(
            pipeline,
            tokens=tokens,
            max_body_bytes=max_body_bytes,
            is_stopping=lambda: self._server.should_exit,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._thread = threading.Thread(target=self._serve, name="greenflash-otel gateway", daemon=True)

    def run(self, announce: Callable[[str], None] = lambda url: None) -> None:
        """Serve on this thread until SIGINT or SIGTERM."""
        announce(self.url)
        self._serve()

    def __enter__(self) -> Gateway:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _serve(self) -> None:
        try:
            self._server.run([self._listener])
        finally:
            self._listener.close()


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
