"""A request that is read later: as the SDK is about to send it, then as the bytes that were sent.

Where an own provider of the application's has the span, it is read before it is sent. Where only our pipeline
reads the span, the pipeline's thread reads it, and the bytes are what counts: the application may have changed
its list of messages meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.instrumentation.openai.agents import AGENT_SESSIONS
from greenflash_otel.instrumentation.openai.endpoints import Surface
from greenflash_otel.instrumentation.openai.request import CallRequest, context_of
from greenflash_otel.json_values import NOTHING, JsonObject, read_json_object, read_list, read_str
from greenflash_otel.model.operation import Operation, merge_context
from greenflash_otel.semconv.metadata import select_metadata


@dataclass(slots=True)
class UnreadRequest:
    """One request to a surface."""

    surface: Surface
    ids: tuple[str, ...]
    """What its path has where the surface's has a ``*``."""
    options: Any
    """The SDK's, before it is sent; None when the bytes count."""
    history: KnownHistory | None
    """Shortens the input on a span; None leaves it whole."""
    sent: bytes = b""
    metadata_keys: Sequence[str] = ()
    """What of its ``metadata`` may be recorded."""

    @property
    def is_json(self) -> bool:
        """Whether the bytes will say all that the options do; of files and sessions more is read at once."""
        surface, options = self.surface, self.options
        is_turn = surface.method == "post" and not surface.path.startswith(AGENT_SESSIONS)
        return is_turn and not options.files and not options.params

    def keep_sent(self, request: Any) -> bool:
        """Keep the bytes that were sent, and forget the options; False where the bytes are not at hand.

        ``request`` is a request of httpx2 or of httpx. One that was redirected can be empty.
        """
        try:
            content = request.content
        except Exception:  # noqa: BLE001 - a stream, which was not read
            return False
        if not isinstance(content, bytes) or not content.startswith(b"{"):
            return False
        self.sent, self.options = content, None
        return True

    def make_request(self) -> CallRequest:
        """Return what is known of the request."""
        if self.sent:
            return CallRequest(read_json_object(json.loads(self.sent)) or NOTHING, self.ids)
        files = self.options.files
        return CallRequest(
            _body_of(self.options),
            self.ids,
            query=read_json_object(self.options.params),
            files=list(files.items()) if isinstance(files, Mapping) else read_list(files),
        )

    def read(self, request: CallRequest, operation: Operation) -> Operation:
        """Return ``operation`` with what the request asks for; of a long history only what was not recorded before."""
        if self.metadata_keys:
            operation = self._add_metadata(request, operation)
        entries = request.body.get("messages")
        if self.history is not None and isinstance(entries, list):
            rest, parent_id = self.history.leave_out(operation, entries)
            if parent_id is not None:
                request = replace(request, body={**request.body, "messages": rest})
                operation = replace(operation, input_parent_id=parent_id)
        return self.surface.read_request(request, operation)

    def _add_metadata(self, request: CallRequest, operation: Operation) -> Operation:
        context = operation.conversation_context
        said = select_metadata(read_json_object(request.body.get("metadata")), self.metadata_keys)
        said = {**said, **context.message_properties}
        return replace(operation, conversation_context=replace(context, message_properties=said))


def complete_head(operation: Operation, body: JsonObject) -> Operation:
    """Return an operation with what a request's body says of whom it is for, and of the model."""
    return replace(
        operation,
        conversation_context=merge_context(operation.conversation_context, context_of(body)),
        request_model=read_str(body.get("model")),
        streamed=operation.streamed or body.get("stream") is True,
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
