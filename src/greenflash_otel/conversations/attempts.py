"""Choose the ids of what the runs of a tool returned: one is the result of its call. Pure.

A tool may run several times for one call: it fails and is tried again, or its graph is resumed. All that the
runs returned hangs on the call. In a turn, a failed run is an attempt, because what the model was given is
known. Elsewhere the first result counts, and only a failed one can be followed by another.
"""

from __future__ import annotations

from collections.abc import Container

from greenflash_otel.conversations.items import span_message_id_of
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.chain import result_id_of
from greenflash_otel.message_ids.fragments import split_message
from greenflash_otel.message_ids.ids import id_of
from greenflash_otel.model.operation import Message, Operation, ToolCall, ToolExecution
from greenflash_otel.model.telemetry import OURS, SpanRecord


class Attempts:
    """The runs of tools, as far as they were emitted before or are emitted together."""

    def __init__(self, namespace: str, emitted_ids: Container[str]) -> None:
        self._namespace = namespace
        self._emitted_ids = emitted_ids
        self._results = set[str]()
        self.marks: list[str] = []
        """Ids that no message has; as emitted ids they say that a result is that of a failed run."""

    def choose_result_id(self, span: SpanRecord, call_id: str, *, failed: bool, in_turn: bool) -> str:
        """Return the id of what a run of a tool returned.

        Args:
            call_id: The message id of the call.
            in_turn: Whether the turn that the tool ran in is emitted as a whole.
        """
        result_id = result_id_of(self._namespace, call_id)
        attempt_id = id_of(self._namespace, result_id, "attempt", [span.trace_id, span.span_id])
        if in_turn:
            return attempt_id if failed else result_id
        failed_mark = id_of(self._namespace, result_id, "failed", None)
        if not self._is_emitted(result_id):
            self._results.add(result_id)
            self.marks += [failed_mark, attempt_id] if failed else []
            return result_id
        return attempt_id if self._is_emitted(failed_mark) else result_id

    def _is_emitted(self, id: str) -> bool:
        return id in self._emitted_ids or id in self._results or id in self.marks


def name_own_call(namespace: str, span: SpanRecord, operation: Operation, tool: ToolExecution) -> str:
    """Return the id of a call that no message asks for: of a run, or of several runs for one call."""
    context = operation.conversation_context
    if not (context.turn_id and tool.call_id):
        return span_message_id_of(namespace, span, "tool_call")
    call = [context.turn_id, context.tool_call_id, tool.call_id, tool.name, tool.arguments]
    return id_of(namespace, None, "tool_call", call)


def find_call_by_content(state: ConversationState, span: SpanRecord, operation: Operation) -> str | None:
    """Return the id of the call that a tool without a call id ran for, as another instrumentation records it.

    It is the first call alike that has no result. Where all have one, the result came first, in what the model was
    given: then it is the newest call, if that model call ended after the tool.
    """
    tool, context = operation.tool, operation.conversation_context
    if tool is None or tool.call_id or context.tool_call_id or span.scope == OURS:
        return None
    message = split_message(Message("assistant", (ToolCall(tool.name, tool.arguments),)))
    alike = [
        node.id
        for fragment in message.fragments
        for node in reversed(state.find_by_content(fragment.hash_loosely(state.namespace)))
        if node.kind == "tool_call"
    ]
    waiting = [id for id in alike if result_id_of(state.namespace, id) not in state.emitted_ids]
    last = state.facts.last_call
    if waiting or last is None or span.end_ns > last.end_ns:
        return next(iter(waiting), None)
    return next(reversed(alike), None)
