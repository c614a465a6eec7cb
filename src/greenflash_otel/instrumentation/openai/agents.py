"""Sessions of agents that OpenAI runs: their requests and events as an `Operation`'s values. Pure.

A request says what the user says, or what a function of the application returned. The answer comes as events:
of the request that creates the session, or of one that follows it. Events show the application's own input,
too. That is recorded where it is sent, so it is left out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, read_failure
from greenflash_otel.instrumentation.openai.body import Decode, JsonBody
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.json_values import NOTHING, JsonObject, read_count, read_json_object, read_list, read_str
from greenflash_otel.model.operation import ADD_ITEMS, Failure, Message, Operation
from greenflash_otel.semconv.formats.openai import read_messages, read_parts
from greenflash_otel.semconv.usage import read_usage

TURN_EVENT = "agent.session.turn."
"""How the types of events about a turn begin."""

DELTAS: Mapping[str, tuple[str, str]] = {
    "output_text": ("message", "output_text"),
    "reasoning_summary_text": ("reasoning", "summary_text"),
}
"""Type of the item that a delta of text belongs to, and type of the part in it."""

AGENT_SESSIONS = "/agents/sessions"
"""How the paths of these requests begin."""

SHOWN_ELSEWHERE = frozenset(
    {
        "function_call_output",
        "agent_message",
        "computer_use_approval_request",
        "computer_use_approval_request_result",
    }
)
"""Items that the application sent, that agents send to each other, or that are a form for a password."""


class EventRelay:
    """Hands each event on as it comes: a session has no body that its events could be put together into."""

    complete = False

    def __init__(self) -> None:
        self.handle: Callable[[JsonObject], None] | None = None
        """Who takes the events."""

    def add(self, event: JsonObject) -> None:
        """Take in the next event."""
        if self.handle is not None:
            self.handle(event)

    def to_json(self) -> JsonObject:
        """Return nothing: there is no body."""
        return NOTHING


class AgentBody(JsonBody):
    """A session as JSON, or its events, each decoded when it comes."""

    def __init__(self, _choice_count: int, decode: Decode | None) -> None:
        self.relay = EventRelay()
        super().__init__(self.relay, decode, at_once=True)


class AgentStep:
    """What an agent has said and done since something was recorded last."""

    def __init__(self) -> None:
        self._items: dict[str, JsonObject] = {}
        """By the item's name, in the order in which they began."""
        self._done: set[str] = set()
        self._deltas: dict[str, dict[int, list[str]]] = {}
        """Of items that are not done: deltas of text by the index of their part."""

    def add(self, name: str, kind: str, event: JsonObject) -> None:
        """Take in an event about the item of this name."""
        item, (field, _, stage) = read_json_object(event.get("item")), kind.rpartition(".")
        if item:
            is_picture = item.get("type") == "computer_use_call"
            self._items[name] = {**item, "output": None} if is_picture else item
            if stage == "done":
                self._done.add(name)
        elif field in DELTAS and name not in self._done:
            index = read_count(event.get("content_index", event.get("summary_index"))) or 0
            deltas = self._deltas.setdefault(name, {}).setdefault(index, [])
            if stage == "done":
                deltas[:] = [read_str(event.get("text")) or ""]
            else:
                deltas.append(read_str(event.get("delta")) or "")
            self._items.setdefault(name, {"type": DELTAS[field][0], "role": "assistant"})

    def take(self, *, unfinished: bool) -> list[tuple[str, JsonObject]]:
        """Return the items with their names, and forget them.

        Args:
            unfinished: Whether texts count that have not come to their end.
        """
        names = [name for name in self._items if unfinished or self._is_whole(name)]
        return [(name, self._take_item(name)) for name in names]

    def _is_whole(self, name: str) -> bool:
        return name in self._done or self._items[name].get("type") == "function_call"

    def _take_item(self, name: str) -> JsonObject:
        item, deltas = self._items.pop(name), self._deltas.pop(name, {})
        if name in self._done or not deltas:
            return item
        field, kind = (
            ("summary", "summary_text") if item.get("type") == "reasoning" else ("content", "output_text")
        )
        return {
            **item,
            field: [{"type": kind, "text": "".join(texts)} for _, texts in sorted(deltas.items())],
        }


def name_item(event: JsonObject) -> str | None:
    """Return what names the item of an event; None if there is none, or none that the agent said or did."""
    item = read_json_object(event.get("item"))
    if item.get("role") == "user" or item.get("type") in SHOWN_ELSEWHERE:
        return None
    id = read_str(item.get("id")) or read_str(event.get("item_id"))
    index = read_count(event.get("output_index"))
    if id is None and index is None:
        return None
    return f"{read_str(event.get('turn_id')) or ''} {id or index}"


def is_call(event: JsonObject) -> bool:
    """Return whether an event asks for a function of the application."""
    return read_json_object(event.get("item")).get("type") == "function_call"


def read_create(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that makes a session, perhaps with the first thing that the user says."""
    agent = read_json_object(request.body.get("agent"))
    return replace(
        operation,
        name=operation.name if operation.streamed else ADD_ITEMS,
        request_model=read_str(agent.get("model")),
        system_instructions=read_parts(agent.get("instructions")),
        input=read_messages(request.body.get("input")),
    )


def read_input(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that sends a session what the user says, or what a function returned."""
    events = map(read_json_object, read_list(request.body.get("events")))
    entries = [entry for event in events for entry in _list_entries(event)]
    return replace(operation, provider_conversation_id=request.ids[0], input=read_messages(entries))


def read_listening(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` that follows the events of a session."""
    return replace(operation, provider_conversation_id=request.ids[0], streamed=True)


def read_session(body: JsonObject) -> ModelAnswer:
    """Return the session that was made."""
    agent = read_json_object(body.get("agent"))
    return ModelAnswer(
        provider_conversation_id=read_str(body.get("id")),
        response_model=read_str(agent.get("model")),
        system_instructions=read_parts(agent.get("instructions")),
    )


def read_nothing(_body: JsonObject) -> ModelAnswer:
    """Return that the input was accepted."""
    return ModelAnswer()


def read_items(items: Iterable[JsonObject]) -> ModelAnswer:
    """Return what an agent has said and done in some items."""
    parts = read_parts(list(items))
    return ModelAnswer(output=(Message("assistant", parts),) if parts else ())


def read_end(answer: ModelAnswer, kind: str, event: JsonObject) -> ModelAnswer:
    """Return ``answer`` as the last of a turn, which ``event`` ends: ``completed``, ``failed`` or ``cancelled``."""
    turn = read_json_object(event.get("turn"))
    failed = Failure("failed") if kind == "failed" else None
    return replace(
        answer,
        output=tuple(replace(message, finish_reason=kind) for message in answer.output),
        finish_reasons=(kind,),
        usage=read_usage(event.get("usage") or turn.get("usage")),
        failure=read_failure(turn.get("error")) or failed,
        cancelled=kind == "cancelled",
    )


def _list_entries(event: JsonObject) -> Sequence[Any]:
    """Return messages and items that an input event contains; a form that was filled in is never read."""
    kind = read_str(event.get("type")) or ""
    if kind.endswith(".message"):
        return read_list(event.get("input"))
    if kind.endswith(".tool_result"):
        failed = event.get("success") is False
        output = event.get("error") if failed else event.get("output")
        status = "failed" if failed else "completed"
        called = event.get("call_id")
        return [{"type": "function_call_output", "call_id": called, "output": output, "status": status}]
    if kind.endswith(".mcp_approval_request_result"):
        decision = read_json_object(event.get("response")).get("decision")
        return [
            {
                "type": "mcp_approval_response",
                "approval_request_id": event.get("request_id"),
                "approve": decision == "approve",
            }
        ]
    return []
