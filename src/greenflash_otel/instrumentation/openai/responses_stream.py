"""Responses API: put the events of a stream together into the body that a whole response would have had.

The response in a terminal event wins. If none came, or if it leaves out its output, the items make up the
output, and the deltas make up an item that was not finished. A resumed stream has only some of both, so nothing
is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenflash_otel.json_values import NOTHING, JsonObject, read_count, read_json_object, read_str

DELTAS: Mapping[str, tuple[str, str]] = {
    "response.output_text.delta": ("message", "output_text"),
    "response.refusal.delta": ("message", "refusal"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary"),
    "response.reasoning_text.delta": ("reasoning", "content"),
    "response.function_call_arguments.delta": ("function_call", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "input"),
    "response.mcp_call_arguments.delta": ("mcp_call", "arguments"),
    "response.code_interpreter_call_code.delta": ("code_interpreter_call", "code"),
}
"""Type of the item that an event adds a delta to, and where in it."""

TERMINAL = frozenset(f"response.{end}" for end in ("completed", "incomplete", "failed", "cancelled"))


class ResponseAssembly:
    """A response in the making."""

    def __init__(self, _choice_count: int) -> None:
        self.complete = False
        """Whether a terminal event came."""
        self._body: JsonObject = NOTHING
        self._error: object = None
        self._from_start: bool | None = None
        """Whether the stream began with the response's first event; one that is resumed begins later."""
        self._items: dict[int, JsonObject] = {}
        self._done: set[int] = set()
        self._deltas: dict[int, dict[tuple[str, int], list[str]]] = {}
        """By output index: deltas by field and by index in that field."""
        self._annotations: dict[tuple[int, int], list[Any]] = {}
        """Citations by output index and index in its content."""

    def add(self, event: JsonObject) -> None:
        """Take in the next event."""
        kind = read_str(event.get("type")) or ""
        if self._from_start is None:
            self._from_start = not event.get("sequence_number")
        index = read_count(event.get("output_index")) or 0
        if kind in DELTAS:
            self._add_delta(index, *DELTAS[kind], event)
        elif kind == "response.output_text.annotation.added":
            place = index, read_count(event.get("content_index")) or 0
            self._annotations.setdefault(place, []).append(event.get("annotation"))
        elif kind == "response.output_item.done":
            self._items[index] = read_json_object(event.get("item"))
            self._done.add(index)
            self._deltas.pop(index, None)
        elif kind == "response.output_item.added":
            self._items.setdefault(index, read_json_object(event.get("item")))
        elif response := read_json_object(event.get("response")):
            self._body = response
            self.complete = self.complete or kind in TERMINAL
        elif kind == "error" or event.get("error"):
            self._error = event.get("error") or {name: event.get(name) for name in ("code", "message")}

    def to_json(self) -> JsonObject:
        """Return the body of the response so far."""
        body = dict(self._body)
        if not body.get("output") and self._from_start is not False:
            body["output"] = [self._get_item(index) for index in sorted(self._items)]
        return {**body, "error": body.get("error") or self._error}

    def _add_delta(self, index: int, item_type: str, field: str, event: JsonObject) -> None:
        if not (delta := read_str(event.get("delta"))):
            return
        part = read_count(event.get("content_index", event.get("summary_index"))) or 0
        self._items.setdefault(index, {"type": item_type})
        self._deltas.setdefault(index, {}).setdefault((field, part), []).append(delta)

    def _get_item(self, index: int) -> JsonObject:
        item = self._items[index]
        deltas = self._deltas.get(index)
        if index in self._done or not deltas:
            return item
        notes = {part: notes for (output, part), notes in self._annotations.items() if output == index}
        return {**item, **_fields_of(deltas, notes)}


def _fields_of(
    deltas: Mapping[tuple[str, int], list[str]], annotations: Mapping[int, list[Any]]
) -> JsonObject:
    """Return the fields of an unfinished item that its deltas report."""
    fields: dict[str, Any] = {}
    for (field, part), texts in sorted(deltas.items()):
        text = "".join(texts)
        if field in ("output_text", "refusal"):
            key = "text" if field == "output_text" else "refusal"
            part_fields = {"type": field, key: text, "annotations": annotations.get(part)}
            fields.setdefault("content", []).append(part_fields)
        elif field in ("summary", "content"):
            fields.setdefault(field, []).append({"text": text})
        else:
            fields[field] = text
    return fields
