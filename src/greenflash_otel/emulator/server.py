"""The emulator as a running server: in a thread for tests, or in the foreground for a command.

    with Emulator() as emulator:
        greenflash_otel.instrument(base_url=emulator.base_url, api_key="gf_test")
        ...
        print(render(emulator.conversation("chat-42")))

It listens on the loopback interface unless configured otherwise, and prints nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from greenflash_otel.emulator.app import create_app
from greenflash_otel.emulator.endpoints import API, MAX_BODY_BYTES
from greenflash_otel.emulator.faults import Faults
from greenflash_otel.emulator.store import Store, reading
from greenflash_otel.emulator.store.bounding import make_bound
from greenflash_otel.emulator.stored import (
    AcceptedRequest,
    StoredConversation,
    StoredOrganization,
    StoredOutcome,
    StoredRating,
    StoredUser,
)
from greenflash_otel.emulator.viewer.actions import clear
from greenflash_otel.errors import ConfigurationError, GreenflashOtelError

GRACE_S = 1
"""How long `stop` waits for requests that are being answered."""
POLL_S = 0.02


def get_time_us() -> int:
    """Return the Unix time in microseconds."""
    return time.time_ns() // 1_000


def make_uuid() -> str:
    """Return a random UUID."""
    return str(uuid.uuid4())


class Emulator:
    """A local Greenflash. `start` and `stop` it, or use it in a ``with`` block."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        database: str | Path = ":memory:",
        api_key: str | None = None,
        *,
        faults: Faults | None = None,
        now_us: Callable[[], int] = get_time_us,
        new_uuid: Callable[[], str] = make_uuid,
        max_body_bytes: int = MAX_BODY_BYTES,
        allowed_hosts: Sequence[str] = (),
        max_conversations: int | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.host = host
        self.port = port
        """Where it listens; 0 until `start` has found a free port, which it then keeps."""
        self.database = database
        self.api_key = api_key
        """The only key that is accepted; None accepts any that is not empty."""
        self.faults = faults or Faults()
        """Failures on order."""
        self._now_us = now_us
        self._new_uuid = new_uuid
        self._max_body_bytes = max_body_bytes
        self._allowed_hosts = allowed_hosts
        self._bound = make_bound(max_conversations)
        self._report = report
        self._stopping = threading.Event()
        self._running: _Running | None = None

    @property
    def url(self) -> str:
        """Where the server is, e.g. ``http://127.0.0.1:41207``. A wildcard host is reached by loopback."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What clients call the base URL of the API."""
        return self.url + API

    def start(self) -> Emulator:
        """Serve in a thread; returns once it answers. Raises `ConfigurationError` if it cannot."""
        if self._running is not None:
            raise ConfigurationError("the emulator is running; make a second one for a second server")
        server, listener, store = self._open()
        thread = threading.Thread(
            target=server.run, args=([listener],), name="greenflash-emulator", daemon=True
        )
        thread.start()
        server.ready.wait()
        if not server.started:
            store.close()
            raise ConfigurationError("the emulator did not start; the uvicorn.error log says why")
        self._running = _Running(server, thread, store)
        return self

    def stop(self) -> None:
        """Stop serving and close the database. What was in ``:memory:`` is gone."""
        running, self._running = self._running, None
        if running is None:
            return
        running.server.should_exit = True
        self._stopping.set()
        self.faults.release()
        running.thread.join()
        running.store.close()

    def serve(self, announce: Callable[[str], None] = lambda url: None) -> None:
        """Serve in the calling thread until it is interrupted; ``announce`` is called with the URL."""
        server, listener, store = self._open()
        try:
            announce(self.url)
            server.run([listener])
        finally:
            listener.close()
            store.close()

    @property
    def is_running(self) -> bool:
        """Whether it serves."""
        return self._running is not None

    def clear(self) -> None:
        """Forget everything that was sent, as the page does with "Empty the emulator"."""
        clear(self._store)

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def conversations(self) -> tuple[StoredConversation, ...]:
        """Return all conversations, in the order of their creation."""
        return reading.read_conversations(self._store)

    def conversation(self, id: str) -> StoredConversation:
        """Return one conversation by the caller's id or by Greenflash's; the newest if products share an id.

        Raises LookupError, naming what there is, if it is not stored.
        """
        conversations = reading.read_conversations(self._store, id=id)
        if not conversations:
            stored = ", ".join(repr(conversation.external_id) for conversation in self.conversations())
            raise LookupError(f"no conversation {id!r}; stored: {stored or 'none'}")
        return conversations[-1]

    def outcomes(self) -> tuple[StoredOutcome, ...]:
        """Return all Greenflash events in order of arrival, also those whose conversation is unknown."""
        return reading.read_outcomes(self._store)

    def ratings(self) -> tuple[StoredRating, ...]:
        """Return all ratings in order of arrival, also those of something unknown."""
        return reading.read_ratings(self._store)

    def users(self) -> tuple[StoredUser, ...]:
        """Return all users, in the order of their creation."""
        return reading.read_users(self._store)

    def organizations(self) -> tuple[StoredOrganization, ...]:
        """Return all organizations, in the order of their creation."""
        return reading.read_organizations(self._store)

    def requests(self) -> tuple[AcceptedRequest, ...]:
        """Return every accepted request in order of arrival, with the repeats that deduplication hides."""
        return reading.read_requests(self._store)

    @property
    def _store(self) -> Store:
        if self._running is None:
            raise GreenflashOtelError("the emulator is not running; read it inside its with block")
        return self._running.store

    def _open(self) -> tuple[_EmulatorServer, socket.socket, Store]:
        """Open everything a server needs, the port bound: from here on clients can connect."""
        try:
            store = Store(
                self.database,
                now_us=self._now_us,
                new_uuid=self._new_uuid,
                report=self._report,
                bound=self._bound,
            )
        except sqlite3.Error as error:
            raise ConfigurationError(f"cannot open the database {str(self.database)!r}: {error}") from error
        try:
            listener = listen(self.host, self.port)
        except ConfigurationError:
            store.close()
            raise
        self.port = listener.getsockname()[1]
        self._stopping.clear()
        app = create_app(
            store,
            choose_fault=lambda method, path: self.faults.choose(method, path),
            api_key=self.api_key,
            max_body_bytes=self._max_body_bytes,
            allowed_hosts=(*self._allowed_hosts, self.host),
            is_stopping=self._stopping.is_set,
        )
        config = uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=[("x-greenflash-emulator", "1")],  # by which the library knows a stand-in
            timeout_graceful_shutdown=GRACE_S,
        )
        return _EmulatorServer(config, self._stopping), listener, store


def run(
    host: str = "127.0.0.1",
    port: int = 8765,
    database: str | Path = ":memory:",
    api_key: str | None = None,
    *,
    allowed_hosts: Sequence[str] = (),
    max_conversations: int | None = None,
    announce: Callable[[str], None] = lambda url: None,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve until interrupted.

    ``announce`` is called with the URL once clients can connect, ``report`` with a line for each request that
    would change something. Beyond ``max_conversations`` the one that changed first goes.
    """
    emulator = Emulator(
        host,
        port,
        database,
        api_key,
        allowed_hosts=allowed_hosts,
        max_conversations=max_conversations,
        report=report,
    )
    emulator.serve(announce)


class _EmulatorServer(uvicorn.Server):
    """A uvicorn server that says when it serves, or that it never will."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and turn away who gets in meanwhile: uvicorn waits for them and leaves them open."""
        self._stopping.set()  # so that open pages end their streams
        stopping = asyncio.ensure_future(super().shutdown(sockets=sockets))
        while not (await asyncio.wait({stopping}, timeout=POLL_S))[0]:
            for connection in list(self.server_state.connections):
                connection.shutdown()
        await stopping

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets=sockets)
        finally:
            self.ready.set()


@dataclass(frozen=True, slots=True)
class _Running:
    """What `Emulator.stop` has to end."""

    server: _EmulatorServer
    thread: threading.Thread
    store: Store


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises `ConfigurationError`."""
    if not 0 <= port <= 65_535:
        raise ConfigurationError(f"port {port} does not exist; choose one up to 65535, or 0 for any free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Not socket.create_server: it leaves the protocol open, and asyncio sets TCP_NODELAY, which
        # saves 40 ms per answer, only on sockets that say TCP.
        listener = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":  # elsewhere it would let two servers share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error}; choose another port or host"
        ) from error
    return listener
