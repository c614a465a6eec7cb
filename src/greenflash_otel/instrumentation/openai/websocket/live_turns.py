"""The turns of Live sessions: what was said and done in them, and when by the session's clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from greenflash_otel.instrumentation.openai.websocket.session import SessionTurn
from greenflash_otel.json_values import JsonObject, read_count, read_str
from greenflash_otel.model.operation import (
    Message,
    Part,
    ServerToolCall,
    Text,
    ToolCallResponse,
    Voice,
)


@dataclass(slots=True)
class Utterance:
    """What one side says in a turn; times by the session's clock."""

    deltas: list[str] = field(default_factory=list)
    start_ms: int = 0
    end_ms: int = 0

    def add(self, event: JsonObject) -> None:
        """Take in a fragment."""
        if not self.deltas:
            self.start_ms = read_count(event.get("start_ms")) or 0
        self.deltas.append(read_str(event.get("delta")) or "")
        self.end_ms = max(self.end_ms, read_count(event.get("end_ms")) or 0)


@dataclass(slots=True)
class LiveExchange:
    """A turn, and what was said in it."""

    turn: SessionTurn
    inputs: list[Message]
    since_ms: int = 0
    """When it began, by the session's clock, if nobody speaks in it."""
    keys: str = ""
    """What the person pressed on a phone."""
    keys_ms: int = 0
    """When the first of them was pressed; Unix time."""
    person: Utterance = field(default_factory=Utterance)
    model: Utterance = field(default_factory=Utterance)
    calls: list[Part] = field(default_factory=list)
    barged_in: bool = False
    interrupted: bool = False

    @property
    def is_answered(self) -> bool:
        """Whether the model has said or done something in it."""
        return bool(self.model.deltas or self.calls)

    @property
    def start_ms(self) -> int:
        """When it began, by the session's clock: what the model said before belongs to the turn before."""
        return self.person.start_ms if self.person.deltas else self.since_ms

    def is_followed(self, start_ms: int) -> bool:
        """Return whether what a person begins to say then belongs to the next turn."""
        if self.model.deltas:
            return start_ms >= self.model.start_ms
        return bool(self.calls) and not self.person.deltas

    def add_to_report(self, delegation_id: str, content: str) -> bool:
        """Add to what the application found out, unless the model has gone on from that."""
        for at, message in enumerate(self.inputs):
            part = message.parts[0]
            if isinstance(part, ToolCallResponse) and part.id == delegation_id and not self.is_answered:
                report = ToolCallResponse(f"{part.response}\n{content}", delegation_id)
                self.inputs[at] = replace(message, parts=(report,))
                return True
        return False

    def list_answered(self) -> tuple[Part, ...]:
        """Return what the model said and did in it; what the provider did came before, what it asks for after."""
        answer = "".join(self.model.deltas).strip()
        text = (Text(answer),) if answer else ()
        ran = any(isinstance(call, ServerToolCall) for call in self.calls)
        return (*self.calls, *text) if ran else (*text, *self.calls)

    def list_spoken(self, voice: Voice | None) -> list[Message]:
        """Return what the person said and pressed in it, in the order in which that began."""
        messages = list[Message]()
        if voice and (question := "".join(self.person.deltas).strip()):
            messages.append(Message("user", (Text(question),), voice=voice))
        if self.keys:
            pressed_first = voice and self.keys_ms < (voice.started_at_ms or 0)
            pressed = Message("user", (Text(self.keys),), at_ms=self.keys_ms)
            messages.insert(0 if pressed_first else len(messages), pressed)
        return messages


def read_moment(event: JsonObject) -> int | None:
    """Return where an event ends on the session's time line."""
    return read_count(event.get("end_ms", event.get("offset_ms")))


def is_blank(event: JsonObject) -> bool:
    """Return whether a fragment has no words."""
    return not (read_str(event.get("delta")) or "").strip()
