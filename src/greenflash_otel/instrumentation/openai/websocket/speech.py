"""The two sides of a spoken turn: what was said when, and how much of it was heard. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from greenflash_otel.instrumentation.openai.websocket.realtime_translation import is_spoken, read_item
from greenflash_otel.json_values import JsonObject
from greenflash_otel.model.operation import Message, Operation, Part, Text, Voice

BYTES_PER_S: Mapping[str, int] = {"audio/pcm": 48_000, "pcm16": 48_000}
"""Of audio by format; every other format has 8,000."""

PLAYBACK_MARGIN_MS = 1_000
"""How much later than it could be an answer is taken to have been heard to its end."""


@dataclass(slots=True)
class Item:
    """An entry of the conversation that the next response answers."""

    fields: JsonObject
    voice: Voice | None = None
    transcripts: dict[int, str] = field(default_factory=dict)
    """By the index of the content; in pieces until they are complete."""
    awaited: bool = False
    """Whether a transcript of it is still to come."""

    @classmethod
    def create(cls, fields: JsonObject, voice: Voice | None, transcribed: bool) -> Item:
        """A new item; ``transcribed`` says whether the session writes down what persons say."""
        spoken = is_spoken(fields)
        item = cls(fields, voice if spoken else None)
        message = item.make_message()
        item.awaited = (
            spoken
            and transcribed
            and not any(isinstance(part, Text) for part in (message.parts if message else ()))
        )
        return item

    def make_message(self) -> Message | None:
        """What it says so far."""
        message = read_item(self.fields, self.transcripts)
        return replace(message, voice=self.voice) if message else None


@dataclass(slots=True)
class Speech:
    """An answer while it is spoken. Times are Unix milliseconds."""

    started_ms: int | None = None
    """When its first sound came."""
    audio_ms: int = 0
    """How long it takes to say what has come."""
    heard_ms: int | None = None
    """How much of it was heard, where the server was informed."""
    interrupted: bool = False
    over: bool = False
    """Whether nobody can interrupt it any more."""

    def add_audio(self, base64_content: str, format: str, now_ms: int) -> None:
        """More of it has come."""
        size_bytes = len(base64_content) * 3 // 4 - base64_content[-2:].count("=")
        self.audio_ms += size_bytes * 1000 // BYTES_PER_S.get(format, 8_000)
        if self.started_ms is None:
            self.started_ms = now_ms

    def plays(self, now_ms: int) -> bool:
        """Whether somebody may still listen to it."""
        if self.over or self.heard_ms is not None or self.started_ms is None:
            return False
        return now_ms < self.started_ms + self.audio_ms + PLAYBACK_MARGIN_MS

    def compute_end_ms(self, done_ms: int) -> int:
        """When it was at its end, given when the last of it came."""
        said_ms = self.audio_ms if self.heard_ms is None else self.heard_ms
        return done_ms if self.started_ms is None else self.started_ms + said_ms


def add_speech(operation: Operation, speech: Speech, done_ms: int) -> Operation:
    """``operation`` with how its answer was spoken, of which only what was heard is retained."""
    if speech.started_ms is None or not operation.output:
        return operation
    asked = next((one.voice for one in reversed(operation.input) if one.voice), None)
    voice = Voice(
        started_at_ms=speech.started_ms,
        ended_at_ms=speech.compute_end_ms(done_ms),
        response_latency_ms=compute_elapsed_ms(asked.ended_at_ms if asked else None, speech.started_ms),
        was_interrupted=speech.interrupted,
    )
    (answer,) = operation.output
    if speech.heard_ms is not None and speech.heard_ms < speech.audio_ms:
        answer = replace(answer, parts=tuple(_cut_to_heard(answer.parts, speech.heard_ms / speech.audio_ms)))
    return replace(operation, output=(replace(answer, voice=voice),))


def compute_elapsed_ms(before_ms: int | None, now_ms: int | None) -> int | None:
    """The time between two moments; None where one is not known or they are the other way round."""
    if before_ms is None or now_ms is None or now_ms < before_ms:
        return None
    return now_ms - before_ms


def _cut_to_heard(parts: tuple[Part, ...], share: float) -> list[Part]:
    """The first ``share`` of what is said, to the end of a word: text and sound go at the same pace."""
    left = round(sum(len(part.content) for part in parts if isinstance(part, Text)) * share)
    retained: list[Part] = []
    for part in parts:
        if not isinstance(part, Text):
            retained.append(part)
            continue
        text = part.content
        if left < len(text):
            text = text[: max(text.rfind(" ", 0, left + 1), 0)]
        left -= len(part.content)
        if text:
            retained.append(Text(text))
    return retained
