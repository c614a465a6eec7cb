"""The wrappers around the SDK's one way to the network.

``request`` of the base clients sees every HTTP surface after the SDK's own transformation, whatever
client, option copy or raw wrapper it was called through, and once for all retries. ``_process_response``
sees the final answer. What the first knows travels to the second in the request's options, in place of
their ``post_parser``, and is taken out again there.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from greenflash_otel.context import current_affiliation
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.invocation import Invocation, told_above
from greenflash_otel.instrumentation.openai.call import Exchange, Instrumentation
from greenflash_otel.instrumentation.openai.endpoints import Surface, surface_of
from greenflash_otel.instrumentation.openai.providers import provider_of
from greenflash_otel.instrumentation.openai.request import Request, context_of
from greenflash_otel.internal_errors import guarded
from greenflash_otel.json_values import NOTHING, JsonObject, as_list, as_object, as_text
from greenflash_otel.model.operation import Operation, merge_context
from greenflash_otel.suppression import is_suppressed

NOT_OBSERVED: AbstractContextManager[None] = contextlib.nullcontext()

current: Instrumentation | None = None
"""The instrumentation that holds; set by `instrument()`."""


def request(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``SyncAPIClient.request``."""
    exchange, args, kwargs = _observe(client, args, kwargs)
    with exchange:
        return wrapped(*args, **kwargs)


async def request_async(
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

    def __init__(self, exchange: Exchange, post_parser: Any) -> None:
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
        if found and instrumentation and not _carried(options) and not suppressed():
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
    instrumentation: Instrumentation, surface: Surface, client: Any, request: Request, streamed: bool
) -> Exchange | None:
    """Start the invocation and read its request; None if nobody records it."""
    body = request.body
    operation = Operation(
        name=surface.operation,
        affiliation=merge_context(current_affiliation(), context_of(body)),
        provider=provider_of(client),
        request_model=as_text(body.get("model")),
        streamed=streamed or body.get("stream") is True,
    )
    invocation = Invocation.start(instrumentation.tracer(), operation)
    if not invocation.recording:
        return None
    with guarded("read a request"):
        request, operation = _without_known(instrumentation, request, operation)
        operation = surface.read_request(request, operation)
    return Exchange(instrumentation, surface, operation, invocation)


def _without_known(
    instrumentation: Instrumentation, request: Request, operation: Operation
) -> tuple[Request, Operation]:
    """The request as it is read: of a long history only what was not told before."""
    entries = request.body.get("messages")
    if instrumentation.history is None or not isinstance(entries, list):
        return request, operation
    rest, parent_id = instrumentation.history.leave_out(operation, entries)
    if parent_id is None:
        return request, operation
    body = {**request.body, "messages": rest}
    return replace(request, body=body), replace(operation, input_parent_id=parent_id)


def _request_of(options: Any, ids: tuple[str, ...]) -> Request:
    files = options.files
    return Request(
        _body_of(options),
        ids,
        query=as_object(options.params),
        files=list(files.items()) if isinstance(files, Mapping) else as_list(files),
    )


def _body_of(options: Any) -> JsonObject:
    """The JSON that will be sent: ``extra_body`` wins over the arguments, as in the SDK."""
    given = options.json_data
    if isinstance(given, bytes):
        given = json.loads(given)
    extra = options.extra_json
    return {**as_object(given), **as_object(extra)} if extra else as_object(given) or NOTHING


def _carried(options: Any) -> bool:
    """Whether a wrapper of ours, above another instrumentation's, observes this request already."""
    return isinstance(options.post_parser, _Carrier)


def suppressed() -> bool:
    """Whether the running code asked not to be instrumented, or a framework above tells of this call."""
    return is_suppressed() or told_above()
