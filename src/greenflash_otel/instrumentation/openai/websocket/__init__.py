"""Instrument the SDK's WebSocket sessions: Responses, Realtime and Live.

Every turn of a session becomes an operation like that of a call over HTTP. ``SURFACES`` lists the kinds of
connection. Nothing here imports the SDK's modules: each is wrapped when the application imports it. What a
version of the SDK does not have is not missed; a connection that differs is left alone with one warning.
"""

from __future__ import annotations

from greenflash_otel.instrumentation.openai.websocket import patches
from greenflash_otel.instrumentation.openai.websocket.live import LiveSession, LiveSidebandSession
from greenflash_otel.instrumentation.openai.websocket.patching import ConnectionSurface
from greenflash_otel.instrumentation.openai.websocket.realtime import RealtimeSession
from greenflash_otel.instrumentation.openai.websocket.responses import ResponsesSession

SURFACES = (
    ConnectionSurface(
        "Responses over WebSocket", "resources.responses.responses", "Responses", ResponsesSession
    ),
    ConnectionSurface(
        "beta Responses over WebSocket", "resources.beta.responses.responses", "Responses", ResponsesSession
    ),
    ConnectionSurface("Realtime sessions", "resources.realtime.realtime", "Realtime", RealtimeSession),
    ConnectionSurface(
        "beta Realtime sessions", "resources.beta.realtime.realtime", "Realtime", RealtimeSession
    ),
    ConnectionSurface("Live sessions", "resources.live.live", "Live", LiveSession),
    ConnectionSurface("forks of Live sessions", "resources.live.forks", "Forks", LiveSession),
    ConnectionSurface(
        "Live sideband connections", "resources.live.sideband", "Sideband", LiveSidebandSession
    ),
    ConnectionSurface(
        "lanes of a WebSocket", "lib.responses_websocket._session", "ResponsesWebSocket", ResponsesSession
    ),
)


def wrap() -> None:
    """Observe sessions from now on. Repeated calls do nothing."""
    for surface in SURFACES:
        surface.install()


def unwrap() -> None:
    """Give the SDK its own methods back, and forget the sessions that are open."""
    for surface in SURFACES:
        surface.remove()
    patches.forget_all()
