"""Chat Completions: put the chunks of a stream together into the body that a whole answer would have had.

Chunks of several choices and of parallel tool calls come interleaved. Arguments come in deltas or as None, ids
and indices may be missing, and the usage comes last and without choices. Nothing here fails on any of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from greenflash_otel.json_values import NOTHING, JsonObject, read_count, read_json_object, read_list, read_str

HEAD = ("id", "model", "service_tier", "system_fingerprint", "error")
"""Fields of a chunk that belong to the whole answer; the last value that is not empty counts."""

TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
"""Fields of a delta whose texts are joined."""


@dataclass(slots=True)
class _ToolCall:
    id: str | None = None
    kind: str = "function"
    name: str | None = None
    arguments: list[str] = field(default_factory=list)

    def add(self, delta: JsonObject) -> None:
        custom = read_json_object(delta.get("custom"))
        if custom or delta.get("type") == "custom":
            self.kind = "custom"
        inner = custom or read_json_object(delta.get("function"))
        self.id = self.id or read_str(delta.get("id"))
        self.name = self.name or read_str(inner.get("name"))
        if text := read_str(inner.get("arguments", inner.get("input"))):
            self.arguments.append(text)

    def to_json(self) -> JsonObject:
        arguments = "".join(self.arguments)
        field = "input" if self.kind == "custom" else "arguments"
        return {"id": self.id, "type": self.kind, self.kind: {"name": self.name, field: arguments}}


@dataclass(slots=True)
class _Choice:
    role: str | None = None
    finish_reason: str | None = None
    texts: dict[str, list[str]] = field(default_factory=dict)
    parts: list[Any] = field(default_factory=list)
    tool_calls: list[tuple[int | None, _ToolCall]] = field(default_factory=list)
    function_call: _ToolCall | None = None
    executed_tools: dict[int, JsonObject] = field(default_factory=dict)
    audio: dict[str, str] = field(default_factory=dict)
    annotations: list[Any] = field(default_factory=list)

    def add(self, choice: JsonObject) -> None:
        self.finish_reason = read_str(choice.get("finish_reason")) or self.finish_reason
        for name, value in read_json_object(choice.get("delta")).items():
            if not value:
                continue
            if name in TEXTS and isinstance(value, str):
                self._add_text(name, value)
            elif add := FIELDS.get(name):
                add(self, value)

    def _add_text(self, name: str, text: str) -> None:
        if name in self.texts:
            self.texts[name].append(text)
        else:
            self.texts[name] = [text]

    def add_role(self, role: object) -> None:
        self.role = self.role or read_str(role)

    def add_parts(self, parts: object) -> None:
        for part in map(read_json_object, read_list(parts)):
            if part.get("type") == "text":
                self._add_text("content", read_str(part.get("text")) or "")
            elif part.get("type") == "thinking":
                for thought in map(read_json_object, read_list(part.get("thinking"))):
                    self._add_text("reasoning", read_str(thought.get("text")) or "")
            else:
                self.parts.append(part)

    def add_tool_calls(self, deltas: object) -> None:
        for delta in map(read_json_object, read_list(deltas)):
            self._find_tool_call(delta).add(delta)

    def add_function_call(self, delta: object) -> None:
        self.function_call = self.function_call or _ToolCall()
        self.function_call.add({"function": delta})

    def add_executed_tools(self, tools: object) -> None:
        """Replace a call of the provider's tool, which comes again when its result is there."""
        for tool in map(read_json_object, read_list(tools)):
            index = read_count(tool.get("index")) or 0
            self.executed_tools[index] = {**self.executed_tools.get(index, NOTHING), **tool}

    def add_audio(self, audio: object) -> None:
        for name, value in read_json_object(audio).items():
            if isinstance(value, str):
                self.audio[name] = value if name == "id" else self.audio.get(name, "") + value

    def add_annotations(self, annotations: object) -> None:
        """Add annotations that are new: some providers repeat them in later chunks."""
        self.annotations += [
            annotation for annotation in read_list(annotations) if annotation not in self.annotations
        ]

    def _find_tool_call(self, delta: JsonObject) -> _ToolCall:
        """Find the call that a delta continues: the last of its index, or the last one where it has none.

        Some providers number every parallel call 0: a named call with an id of its own is a new one.
        """
        index, id = read_count(delta.get("index")), read_str(delta.get("id"))
        named = read_str(read_json_object(delta.get("function") or delta.get("custom")).get("name"))
        for known_index, call in reversed(self.tool_calls):
            if (index is None and not named) or known_index == index:
                if id and named and call.id and call.id != id:
                    break
                return call
        call = _ToolCall()
        self.tool_calls.append((index, call))
        return call

    def to_json(self, index: int) -> JsonObject:
        texts = {name: "".join(deltas) for name, deltas in self.texts.items()}
        message: dict[str, Any] = {"role": self.role, **texts}
        if self.parts:
            message["content"] = [{"type": "text", "text": texts.get("content", "")}, *self.parts]
        message["tool_calls"] = [call.to_json() for _, call in self.tool_calls]
        message["executed_tools"] = [tool for _, tool in sorted(self.executed_tools.items())]
        message["audio"] = self.audio
        message["annotations"] = self.annotations
        if self.function_call:
            message["function_call"] = self.function_call.to_json()["function"]
        return {"index": index, "message": message, "finish_reason": self.finish_reason}


FIELDS: Mapping[str, Callable[[_Choice, object], None]] = {
    "role": _Choice.add_role,
    "content": _Choice.add_parts,  # Mistral streams lists of parts; others a text, see TEXTS
    "tool_calls": _Choice.add_tool_calls,
    "function_call": _Choice.add_function_call,
    "executed_tools": _Choice.add_executed_tools,
    "audio": _Choice.add_audio,
    "annotations": _Choice.add_annotations,
}
"""What to do with the other fields of a delta."""


class ChatAssembly:
    """A chat completion in the making."""

    def __init__(self, choice_count: int) -> None:
        self._expected = choice_count
        self._head: dict[str, Any] = {}
        self._usage: JsonObject = NOTHING
        self._choices: dict[int, _Choice] = {}

    @property
    def complete(self) -> bool:
        """Whether every choice has said why it stopped."""
        reasons = [choice.finish_reason for choice in self._choices.values()]
        return len(reasons) >= self._expected and all(reasons)

    def add(self, event: JsonObject) -> None:
        """Take in the next chunk."""
        for name in HEAD:
            if value := event.get(name):
                self._head[name] = value
        if usage := event.get("usage") or read_json_object(event.get("x_groq")).get(
            "usage"
        ):  # Groq's place for it
            self._usage = read_json_object(usage)
        for entry in read_list(event.get("choices")):
            choice = read_json_object(entry)
            index = read_count(choice.get("index")) or 0
            if index not in self._choices:
                self._choices[index] = _Choice()
            self._choices[index].add(choice)

    def to_json(self) -> JsonObject:
        """Return the body of the answer so far."""
        choices = [choice.to_json(index) for index, choice in sorted(self._choices.items())]
        return {**self._head, "usage": self._usage, "choices": choices}
