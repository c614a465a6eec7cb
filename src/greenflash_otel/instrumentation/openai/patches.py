"""Wrap the SDK's one way to the network.

``request`` of the base clients sees every HTTP surface after the SDK's own transformation, once for all
retries. It does so for every client, option copy and raw wrapper. ``_process_response`` sees the final answer.
The first wrapper passes what it knows to the second in the request's options, in place of their
``post_parser``. The second one takes it out again.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from greenflash_otel.context import get_current_conversation_context
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.invocation import Invocation, is_captured_by_framework
from greenflash_otel.instrumentation.openai.agent_call import AgentCall
from greenflash_otel.instrumentation.openai.agents import AGENT_SESSIONS
from greenflash_otel.instrumentation.openai.call import ObservedCall, OpenAIConfig
from greenflash_otel.instrumentation.openai.endpoints import surface_of
from greenflash_otel.instrumentation.openai.providers import provider_of
from greenflash_otel.instrumentation.openai.unread import UnreadRequest, complete_head
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import Operation
from greenflash_otel.own_spans import OwnTracer
from greenflash_otel.suppression import is_suppressed

NOT_OBSERVED: AbstractContextManager[None] = contextlib.nullcontext()

current: OpenAIConfig | None = None
"""The instrumentation in effect; set by `instrument()`."""


def observe_request(
    wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Observe ``SyncAPIClient.request``."""
    exchange, args, kwargs = _observe(client, args, kwargs)
    with exchange:
        return wrapped(*args, **kwargs)


async def observe_request_async(
    wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Observe ``AsyncAPIClient.request``."""
    exchange, args, kwargs = _observe(client, args, kwargs)
    with exchange:
        return await wrapped(*args, **kwargs)


def process_response(
    wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Observe ``_process_response`` of both; where that is a coroutine function, so is what comes back."""
    with guarded("take over a response"):
        options = kwargs["options"]
        carrier = options.post_parser
        if isinstance(carrier, _Carrier):
            options.post_parser = carrier.post_parser
            carrier.exchange.receive(kwargs["response"], kwargs.get("retries_taken", 0))
    return wrapped(*args, **kwargs)


class _Carrier:
    """Stands in the request's options for their ``post_parser``, and acts as it if it is called."""

    def __init__(self, exchange: ObservedCall, post_parser: Any) -> None:
        self.exchange = exchange
        self.post_parser = post_parser

    def __call__(self, parsed: Any) -> Any:
        return self.post_parser(parsed) if callable(self.post_parser) else parsed


def _observe(
    client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[AbstractContextManager[None], tuple[Any, ...], dict[str, Any]]:
    """Begin to observe a request, if it is one of ours: the exchange, and arguments that carry it along."""
    open_operations.abandon_waiting()
    with guarded("observe a request"):
        options = kwargs["options"] if "options" in kwargs else args[1]
        endpoint = surface_of(options.method, options.url)
        instrumentation = current
        if endpoint and instrumentation and not _is_observed(options) and not is_suppressed_here():
            unread = UnreadRequest(
                *endpoint, options, instrumentation.history, metadata_keys=instrumentation.metadata_keys
            )
            exchange = _begin(instrumentation, unread, client, kwargs.get("stream") is True)
            if exchange:
                carrying = copy.copy(options)
                carrying.post_parser = _Carrier(exchange, options.post_parser)
                if "options" in kwargs:
                    return exchange, args, {**kwargs, "options": carrying}
                return exchange, (args[0], carrying, *args[2:]), kwargs
    return NOT_OBSERVED, args, kwargs


def _begin(
    instrumentation: OpenAIConfig, unread: UnreadRequest, client: Any, streamed: bool
) -> ObservedCall | None:
    """Start the invocation, and read its request unless that can wait; None if nobody records it."""
    surface, tracer = unread.surface, instrumentation.tracer()
    operation = Operation(
        name=surface.operation,
        conversation_context=get_current_conversation_context(),
        provider=provider_of(client),
        streamed=streamed,
    )
    if isinstance(tracer, OwnTracer) and unread.is_json:
        return ObservedCall(instrumentation, surface, operation, Invocation.start(tracer, operation), unread)
    request = unread.make_request()
    operation = complete_head(operation, request.body)
    invocation = Invocation.start(tracer, operation)
    if not invocation.recording:
        return None
    with guarded("read a request"):
        operation = unread.read(request, operation)
    kind = AgentCall if surface.path.startswith(AGENT_SESSIONS) else ObservedCall
    return kind(instrumentation, surface, operation, invocation)


def _is_observed(options: Any) -> bool:
    """Return whether a wrapper of ours, above another instrumentation's, observes this request already."""
    return isinstance(options.post_parser, _Carrier)


def is_suppressed_here() -> bool:
    """Return whether the running code asked not to be instrumented, or a framework above describes this call."""
    return is_suppressed() or is_captured_by_framework()
