"""Wrap the SDK's one way to the network.

``request`` of the base clients sees every HTTP surface after the SDK's own transformation, once for all
retries. It does so for every client, option copy and raw wrapper. ``_process_response`` sees the final answer.
The first wrapper passes what it knows to the second in the request's options, in place of their
``post_parser``. The second one takes it out again.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from greenflash_otel.context import get_current_conversation_context
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.invocation import Invocation, is_captured_by_framework
from greenflash_otel.instrumentation.openai.agent_call import AGENT_SESSIONS, AgentCall
from greenflash_otel.instrumentation.openai.call import ObservedCall, OpenAIConfig
from greenflash_otel.instrumentation.openai.endpoints import Surface, surface_of
from greenflash_otel.instrumentation.openai.providers import provider_of
from greenflash_otel.instrumentation.openai.request import CallRequest, context_of
from greenflash_otel.internal_errors import guarded
from greenflash_otel.json_values import NOTHING, JsonObject, read_json_object, read_list, read_str
from greenflash_otel.model.operation import Operation, merge_context
from greenflash_otel.suppression import is_suppressed

NOT_OBSERVED: AbstractContextManager[None] = contextlib.nullcontext()

current: OpenAIConfig | None = None
"""The instrumentation in effect; set by `instrument()`."""


def observe_request(
    wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Around ``SyncAPIClient.request``."""
    exchange, args, kwargs = _observe(client, args, kwargs)
    with exchange:
        return wrapped(*args, **kwargs)


async def observe_request_async(
    wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Around ``AsyncAPIClient.request``."""
    exchange, args, kwargs = _observe(client, args, kwargs)
    with exchange:
        return await wrapped(*args, **kwargs)


def process_response(
    wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Around ``_process_response`` of both; where that is a coroutine function, so is what comes back."""
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
        found = surface_of(options.method, options.url)
        instrumentation = current
        if found and instrumentation and not _is_observed(options) and not is_suppressed_here():
            streamed = kwargs.get("stream") is True
            exchange = _begin(instrumentation, found[0], client, _request_of(options, found[1]), streamed)
            if exchange:
                carrying = copy.copy(options)
                carrying.post_parser = _Carrier(exchange, options.post_parser)
                if "options" in kwargs:
                    return exchange, args, {**kwargs, "options": carrying}
                return exchange, (args[0], carrying, *args[2:]), kwargs
    return NOT_OBSERVED, args, kwargs


def _begin(
    instrumentation: OpenAIConfig, surface: Surface, client: Any, request: CallRequest, streamed: bool
) -> ObservedCall | None:
    """Start the invocation and read its request; None if nobody records it."""
    body = request.body
    operation = Operation(
        name=surface.operation,
        conversation_context=merge_context(get_current_conversation_context(), context_of(body)),
        provider=provider_of(client),
        request_model=read_str(body.get("model")),
        streamed=streamed or body.get("stream") is True,
    )
    invocation = Invocation.start(instrumentation.tracer(), operation)
    if not invocation.recording:
        return None
    with guarded("read a request"):
        request, operation = _remove_known(instrumentation, request, operation)
        operation = surface.read_request(request, operation)
    kind = AgentCall if surface.path.startswith(AGENT_SESSIONS) else ObservedCall
    return kind(instrumentation, surface, operation, invocation)


def _remove_known(
    instrumentation: OpenAIConfig, request: CallRequest, operation: Operation
) -> tuple[CallRequest, Operation]:
    """Make the request to be read: of a long history only what was not recorded before."""
    entries = request.body.get("messages")
    if instrumentation.history is None or not isinstance(entries, list):
        return request, operation
    rest, parent_id = instrumentation.history.leave_out(operation, entries)
    if parent_id is None:
        return request, operation
    body = {**request.body, "messages": rest}
    return replace(request, body=body), replace(operation, input_parent_id=parent_id)


def _request_of(options: Any, ids: tuple[str, ...]) -> CallRequest:
    files = options.files
    return CallRequest(
        _body_of(options),
        ids,
        query=read_json_object(options.params),
        files=list(files.items()) if isinstance(files, Mapping) else read_list(files),
    )


def _body_of(options: Any) -> JsonObject:
    """Return the JSON that will be sent: ``extra_body`` wins over the arguments, as in the SDK."""
    body = options.json_data
    if isinstance(body, bytes):
        body = json.loads(body)
    extra = options.extra_json
    return (
        {**read_json_object(body), **read_json_object(extra)} if extra else read_json_object(body) or NOTHING
    )


def _is_observed(options: Any) -> bool:
    """Return whether a wrapper of ours, above another instrumentation's, observes this request already."""
    return isinstance(options.post_parser, _Carrier)


def is_suppressed_here() -> bool:
    """Return whether the running code asked not to be instrumented, or a framework above describes this call."""
    return is_suppressed() or is_captured_by_framework()
