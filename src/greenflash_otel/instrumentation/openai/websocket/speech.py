"""The two sides of a spoken turn: what was said when, and how much of it was heard. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from greenflash_otel.instrumentation.openai.websocket.realtime_translation import is_spoken, read_item
from greenflash_otel.json_values import JsonObject
from greenflash_otel.model.operation import Message, Operation, Part, Text, Voice
from greenflash_otel.model.roles import SYSTEM_ROLES

BYTES_PER_S: Mapping[str, int] = {"audio/pcm": 48_000, "pcm16": 48_000}
"""Of audio by format; every other format has 8,000."""

PLAYBACK_MARGIN_MS = 1_000
"""How long after the end of an answer the application may still say how much of it was heard."""

CHARS_PER_S = 15
"""How fast a voice speaks, until the session shows its pace."""


@dataclass(slots=True)
class Item:
    """An entry of the conversation that the next response answers."""

    fields: JsonObject
    voice: Voice | None = None
    transcripts: dict[int, str] = field(default_factory=dict)
    """By the index of the content; in deltas until they are complete."""
    awaited: bool = False
    """Whether a transcript of it is still to come."""
    at_ms: int | None = None
    """When it was added, if it was not spoken. Such a line is no part of the system prompt."""
    late: Message | None = None
    """What it says, if it is what an earlier call found out."""

    @classmethod
    def create(cls, fields: JsonObject, voice: Voice | None, transcribed: bool, now_ms: int) -> Item:
        """Make an item; ``transcribed`` says whether the session writes down what persons say."""
        spoken = is_spoken(fields)
        at_ms = now_ms if fields.get("role") in SYSTEM_ROLES else None
        item = cls(fields, voice if spoken else None, at_ms=at_ms)
        message = item.make_message()
        item.awaited = (
            spoken
            and transcribed
            and not any(isinstance(part, Text) for part in (message.parts if message else ()))
        )
        return item

    def make_message(self) -> Message | None:
        """Return its text so far."""
        message = self.late or read_item(self.fields, self.transcripts)
        return replace(message, voice=self.voice, at_ms=self.at_ms) if message and message.parts else None


@dataclass(slots=True)
class Speech:
    """An answer while it is spoken. Times are Unix milliseconds."""

    started_ms: int | None = None
    """When its first sound came."""
    audio_ms: int = 0
    """How long it takes to say what has come."""
    complete: bool = False
    """Whether all of its sound has come."""
    played_by_server: bool = False
    """Whether its sound goes past this connection, over WebRTC or SIP: the server reports when it plays."""
    stopped_ms: int | None = None
    """When the server had played it, or played no more of it."""
    heard_ms: int | None = None
    """How much of it was heard, where the server was informed."""
    interrupted: bool = False
    cut: bool = False
    """Whether it was not played to its end."""
    over: bool = False
    """Whether nobody can interrupt it any more."""

    def add_audio(self, base64_content: str, format: str, now_ms: int) -> None:
        """Add audio that has come."""
        size_bytes = len(base64_content) * 3 // 4 - base64_content[-2:].count("=")
        self.audio_ms += size_bytes * 1000 // BYTES_PER_S.get(format, 8_000)
        if self.started_ms is None:
            self.started_ms = now_ms

    def start_playing(self, now_ms: int) -> None:
        """Note that the server has begun to play it."""
        self.played_by_server = True
        if self.started_ms is None:
            self.started_ms = now_ms

    def stop_playing(self, now_ms: int, *, cut: bool) -> None:
        """Note that the server has played it; with ``cut``, only the beginning of it."""
        if self.stopped_ms is None:
            self.stopped_ms, self.cut = now_ms, cut

    def truncate(self, heard_ms: int) -> None:
        """Note how much of it was heard, as the application reports it to the server."""
        if self.played_by_server:
            self.cut = self.stopped_ms is None or self.cut
        else:
            self.cut = heard_ms < self.audio_ms or not self.complete
        self.heard_ms = heard_ms if self.cut else None
        self.over = True

    def is_audible(self, now_ms: int) -> bool:
        """Return whether there is sound left to play."""
        if self.over or self.started_ms is None or self.stopped_ms is not None:
            return False
        return self.played_by_server or not self.complete or now_ms < self.started_ms + self.audio_ms

    def is_awaited(self, now_ms: int) -> bool:
        """Return whether more can become known of how much of it was heard."""
        if self.started_ms is None or self.heard_ms is not None:
            return False
        if self.played_by_server:
            margin_ms = PLAYBACK_MARGIN_MS if self.cut else 0
            return self.stopped_ms is None or now_ms < self.stopped_ms + margin_ms
        return not self.over and now_ms < self.started_ms + self.audio_ms + PLAYBACK_MARGIN_MS

    def compute_end_ms(self, done_ms: int) -> int:
        """Return when it was at its end, from when the last of it came."""
        if self.started_ms is None:
            return done_ms
        if self.heard_ms is not None:
            return self.started_ms + self.heard_ms
        if self.played_by_server:
            return max(self.started_ms, done_ms if self.stopped_ms is None else self.stopped_ms)
        return self.started_ms + self.audio_ms

    def compute_share_heard(self, chars: int, chars_per_s: float) -> float:
        """Estimate the share of its text that was heard, given the text's length and the pace of the voice."""
        if not self.cut or self.started_ms is None or not chars:
            return 1
        heard_ms = self.compute_end_ms(self.started_ms) - self.started_ms
        length_ms = chars * 1000 / chars_per_s if self.played_by_server else self.audio_ms
        return min(heard_ms / length_ms, 1) if length_ms else 1


@dataclass(slots=True)
class Pace:
    """How fast the voice of a session speaks, as its whole answers show."""

    _chars: int = 0
    _ms: int = 0

    @property
    def chars_per_s(self) -> float:
        """Characters of text per second of sound."""
        return self._chars * 1000 / self._ms if self._ms and self._chars else CHARS_PER_S

    def learn(self, operation: Operation, speech: Speech) -> None:
        """Take an answer into account that was played to its end."""
        if speech.started_ms is not None and speech.stopped_ms is not None and not speech.cut:
            self._chars += sum(map(_count_chars, operation.output))
            self._ms += speech.stopped_ms - speech.started_ms


def add_speech(
    operation: Operation, speech: Speech, done_ms: int, chars_per_s: float = CHARS_PER_S
) -> Operation:
    """Return ``operation`` with how its answer was spoken, of which only what was heard is retained."""
    if speech.started_ms is None or not operation.output:
        return operation
    question = next((message.voice for message in reversed(operation.input) if message.voice), None)
    voice = Voice(
        started_at_ms=speech.started_ms,
        ended_at_ms=speech.compute_end_ms(done_ms),
        response_latency_ms=compute_elapsed_ms(question.ended_at_ms if question else None, speech.started_ms),
        was_interrupted=speech.interrupted,
    )
    (answer,) = operation.output
    share = speech.compute_share_heard(_count_chars(answer), chars_per_s)
    if share < 1:
        answer = replace(answer, parts=tuple(_cut_to_heard(answer.parts, share)))
    return replace(operation, output=(replace(answer, voice=voice),))


def compute_elapsed_ms(before_ms: int | None, now_ms: int | None) -> int | None:
    """Return the time between two moments; None if one is unknown or the second is earlier."""
    if before_ms is None or now_ms is None or now_ms < before_ms:
        return None
    return now_ms - before_ms


def _count_chars(answer: Message) -> int:
    return sum(len(part.content) for part in answer.parts if isinstance(part, Text))


def _cut_to_heard(parts: tuple[Part, ...], share: float) -> list[Part]:
    """Return the first ``share`` of a spoken text: text and sound have the same pace."""
    left = round(sum(len(part.content) for part in parts if isinstance(part, Text)) * share)
    retained: list[Part] = []
    for part in parts:
        if not isinstance(part, Text):
            retained.append(part)
            continue
        text = _cut_to_words(part.content, left)
        left -= len(part.content)
        if text:
            retained.append(replace(part, content=text))
    return retained


def _cut_to_words(text: str, chars: int) -> str:
    """Cut a text at the end of a word, after the first at least; some languages have no spaces."""
    if chars >= len(text):
        return text
    if chars <= 0:
        return ""
    if (end := text.rfind(" ", 0, chars + 1)) > 0:
        return text[:end]
    first = text.find(" ", 1)
    return text[:chars] if first == -1 else text[:first]
