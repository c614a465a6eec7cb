"""Instrument the OpenAI SDK, 1.66 to 3.x: every surface that carries conversations.

`instrument()` wraps the base clients' way to the network. That covers clients made before and after, their
copies, raw and streaming wrappers, the stream helpers, Azure's and Bedrock's clients and the module-level
client. Where the SDK has tool runners, it wraps them too. ``endpoints`` lists what is read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from opentelemetry.trace import Tracer

from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.instrumentation.openai import patches, tool_runner, websocket
from greenflash_otel.instrumentation.openai.call import OpenAIConfig
from greenflash_otel.instrumentation.patching import Method, Target
from greenflash_otel.message_ids.ids import key_of
from greenflash_otel.settings import History

REQUEST = frozenset({"options"})
RESPONSE = frozenset({"options", "response"})
EXECUTION = frozenset({"run", "item"})

TARGETS = (
    Target(
        "openai",
        "calls",
        "openai._base_client",
        (
            Method("SyncAPIClient", "_process_response", patches.process_response, RESPONSE),
            Method("AsyncAPIClient", "_process_response", patches.process_response, RESPONSE),
            Method("SyncAPIClient", "request", patches.observe_request, REQUEST),
            Method("AsyncAPIClient", "request", patches.observe_request_async, REQUEST),
        ),
    ),
    Target(
        "openai",
        "tools that runners execute",
        tool_runner.MODULE,
        (
            Method("ResponsesToolRunner", "_execute_function", tool_runner.execute, EXECUTION),
            Method("AsyncResponsesToolRunner", "_execute_function", tool_runner.execute_async, EXECUTION),
        ),
    ),
)

_lock = threading.RLock()


def instrument(
    tracer: Tracer | Callable[[], Tracer],
    *,
    capture_content: bool = True,
    history: History = "full",
    id_key: str | None = None,
    metadata_keys: Sequence[str] = (),
) -> None:
    """Record every conversation call of the OpenAI SDK as a span. Repeated calls change the arguments only.

    Args:
        tracer: Makes the spans; or a function that gives the tracer, asked at each call.
        capture_content: False keeps every text, argument, result and error message out of the spans.
        history: ``new`` leaves out of a span what earlier spans of the conversation have recorded.
        id_key: The setting of that name, for the ids by which a span refers to them.
        metadata_keys: The setting of that name: what of a request's ``metadata`` is recorded.
    """
    source = tracer if callable(tracer) else lambda: tracer
    known_history = KnownHistory(key_of(id_key)) if history == "new" else None
    with _lock:
        if (now := patches.current) is None:
            patches.current = now = OpenAIConfig(source, capture_content, history=known_history)
        else:
            now.tracer, now.capture_content, now.history = source, capture_content, known_history
        now.metadata_keys = tuple(metadata_keys)
        for target in TARGETS:
            target.install()
        websocket.wrap()


def uninstrument() -> None:
    """Give the SDK its own methods back, and record every running operation with what has arrived of it."""
    with _lock:
        before, patches.current = patches.current, None
        for target in TARGETS:
            target.remove()
        websocket.unwrap()
    if before is not None:
        open_operations.abandon_running(before)
        before.active = False
