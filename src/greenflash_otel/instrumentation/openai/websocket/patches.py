"""Wrap the SDK's WebSocket connections.

Every way to read (``recv``, iteration, handlers, the lanes' reader, a relay) gets its frames from the
connection's ``recv_bytes``. An application that reads the socket below it parses them with ``parse_event``.
Every way to write ends in ``send`` or ``send_raw`` of the connection or in ``send`` of a lane. Each wrapper
is given what makes the session of its kind of connection.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from greenflash_otel.instrumentation.openai import patches
from greenflash_otel.instrumentation.openai.providers import provider_of
from greenflash_otel.instrumentation.openai.websocket.session import (
    Closing,
    EventReading,
    Sending,
    Session,
    decode_frame,
)
from greenflash_otel.internal_errors import guarded
from greenflash_otel.json_values import JsonObject, read_json_object, read_str

MakeSession: TypeAlias = type[Session]

NOT_OBSERVED: AbstractContextManager[None] = contextlib.nullcontext()

MAX_QUEUED = 256
"""Events sent through a manager before it connects that are read afterwards."""


_lock = threading.RLock()
_sessions: WeakKeyDictionary[Any, Session | None] = WeakKeyDictionary()
"""What is known of each open connection; None for one that is not to be observed."""
_queued: WeakKeyDictionary[Any, list[JsonObject]] = WeakKeyDictionary()
"""What was sent through managers that have not connected yet."""


def send(make: MakeSession, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Observe ``send`` and ``send_raw``."""
    with _observe_sending(make, connection, args, kwargs):
        return wrapped(*args, **kwargs)


async def send_async(
    make: MakeSession, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    """Observe ``send`` and ``send_raw``."""
    with _observe_sending(make, connection, args, kwargs):
        return await wrapped(*args, **kwargs)


def send_on_lane(make: MakeSession, wrapped: Any, lane: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Observe ``send`` of a lane."""
    with _observe_sending_on_lane(make, lane, args, kwargs):
        return wrapped(*args, **kwargs)


async def send_on_lane_async(
    make: MakeSession, wrapped: Any, lane: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    """Observe ``send`` of a lane."""
    with _observe_sending_on_lane(make, lane, args, kwargs):
        return await wrapped(*args, **kwargs)


def parse_event(make: MakeSession, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Observe ``parse_event``, a plain function of both."""
    event = wrapped(*args, **kwargs)
    with guarded("observe a session"):
        frame = kwargs["data"] if "data" in kwargs else args[0]
        if (session := _session_of(make, connection)) and not session.has_received(frame):
            session.receive_frame(frame)
    return event


def observe_recv_bytes(
    make: MakeSession, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    """Observe ``recv_bytes``."""
    with _observe_reading(make, connection):
        frame = wrapped(*args, **kwargs)
    _note_frame(make, connection, frame)
    return frame


async def observe_recv_bytes_async(
    make: MakeSession, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    """Observe ``recv_bytes``."""
    with _observe_reading(make, connection):
        frame = await wrapped(*args, **kwargs)
    _note_frame(make, connection, frame)
    return frame


def close(make: MakeSession, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Observe ``close``."""
    with _observe_closing(make, connection):
        return wrapped(*args, **kwargs)


async def close_async(
    make: MakeSession, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    """Observe ``close``."""
    with _observe_closing(make, connection):
        return await wrapped(*args, **kwargs)


def enter(make: MakeSession, wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Observe a manager's ``__enter__``."""
    connection = wrapped(*args, **kwargs)
    _note_opened(make, manager, connection)
    return connection


async def enter_async(
    make: MakeSession, wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    """Observe a manager's ``__aenter__``."""
    connection = await wrapped(*args, **kwargs)
    _note_opened(make, manager, connection)
    return connection


def observe_queue(make: MakeSession, wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Observe ``send`` of a manager, which keeps events until there is a connection."""
    result = wrapped(*args, **kwargs)
    with guarded("observe a session"):
        events = _queued.setdefault(manager, [])
        if len(events) < MAX_QUEUED:
            events.append(_read_event(args, kwargs))
    return result


def _session_of(make: MakeSession, connection: Any, manager: Any = None) -> Session | None:
    """Return the session of a connection, and begin it if it is new; None if it is not to be observed."""
    with _lock:
        if connection not in _sessions:
            instrumentation = patches.current
            _sessions[connection] = None
            if instrumentation is not None and not patches.is_suppressed_here():
                client, model = _read_private(manager, "client"), _read_private(manager, "model")
                _sessions[connection] = make(
                    instrumentation,
                    provider_of(client),
                    read_str(model),
                    joined_id=read_str(_read_private(manager, make.JOINED_BY)),
                )
        return _sessions[connection]


def _read_private(manager: Any, name: str) -> Any:
    """Return a manager's private field."""
    return next(
        (value for key, value in vars(manager or _session_of).items() if key.endswith(f"__{name}")), None
    )


def _note_opened(make: MakeSession, manager: Any, connection: Any) -> None:
    with guarded("observe a session"):
        session = _session_of(make, connection, manager)
        for event in _queued.pop(manager, []):
            if session:
                session.send(event)


def _note_frame(make: MakeSession, connection: Any, frame: str | bytes) -> None:
    with guarded("observe a session"):
        if session := _session_of(make, connection):
            session.receive_frame(frame)


def _observe_sending(
    make: MakeSession, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> AbstractContextManager[None]:
    with guarded("observe a session"):
        if session := _session_of(make, connection):
            return Sending(session, session.send(_read_event(args, kwargs)))
    return NOT_OBSERVED


def _observe_sending_on_lane(
    make: MakeSession, lane: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> AbstractContextManager[None]:
    with guarded("observe a session"):
        if session := _session_of(make, lane._session.connection):
            stream_id = lane._state.stream_id
            event = {**_read_event(args, kwargs), **({"stream_id": stream_id} if stream_id else {})}
            return Sending(session, session.send(event))
    return NOT_OBSERVED


def _observe_reading(make: MakeSession, connection: Any) -> AbstractContextManager[None]:
    with guarded("observe a session"):
        if session := _session_of(make, connection):
            return EventReading(session)
    return NOT_OBSERVED


def _observe_closing(make: MakeSession, connection: Any) -> AbstractContextManager[None]:
    with guarded("observe a session"):
        if session := _session_of(make, connection):
            return Closing(session, sys.exc_info()[1])
    return NOT_OBSERVED


def _read_event(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JsonObject:
    """Read the event that a sender gets: an object, or its JSON."""
    event = next(iter((*args, *kwargs.values())))
    return decode_frame(event) if isinstance(event, (str, bytes)) else read_json_object(event)


def forget_all() -> None:
    """Forget every session; open connections continue unobserved."""
    with _lock:
        _sessions.clear()
        _queued.clear()
