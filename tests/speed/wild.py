"""Chats as applications resend them, made up at random: whole, cut, edited, with tools, mixed, in any order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from greenflash_otel.model.operation import (
    ConversationContext,
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.telemetry import OURS, SpanRecord
from greenflash_otel.semconv.genai import attributes_of
from tests.speed.spans import FOREIGN, STEP_NS

TEXTS = (
    "yes",
    "no",
    "Where is my parcel, please?",
    "It is on its way to you and arrives in the morning.",
    "I cannot say that. What is the number of your order?",
    "The order is 1234 and I paid for it last week.",
    "1 validation error for Order [type=int_parsing, input_value='x', input_type=str]",
    "née 日本 😀 and more than that",
)
PROMPTS = ("You help.", "You are a router. Answer with one word.", "")
START_NS = 1_700_000_000_000_000_000


class WildChat:
    """A chat, and the calls in which an application has it."""

    def __init__(self, chance: random.Random, name: str | None, scope: str) -> None:
        self._chance = chance
        self._name = name
        self._scope = scope
        self._prompt = chance.choice(PROMPTS)
        self._user = chance.choice((None, None, "ann"))
        self._history: list[Message] = []
        self._tools = chance.random() < 0.4

    def call(self, number: int) -> SpanRecord:
        """Make the next call."""
        chance = self._chance
        if not self._history or self._history[-1].role == "assistant" or chance.random() < 0.1:
            self._history.append(Message("user", self._say()))
        elif chance.random() < 0.05:
            self._history.append(Message("system", self._say()))
        answer = self._answer(number)
        span = self._make_span(number, self._change(list(self._history)), answer)
        if chance.random() < 0.9:
            self._history.append(self._resend(answer))
            for part in answer.parts:
                if isinstance(part, ToolCall):
                    result = ToolCallResponse(chance.choice(TEXTS), part.id)
                    self._history.append(Message("tool", (result,)))
        return span

    def _say(self) -> tuple[Part, ...]:
        chance = self._chance
        if chance.random() < 0.05:
            return (Text(chance.choice(TEXTS)), Other("note", {"a": 1}))
        return (Text(chance.choice(TEXTS)),)

    def _answer(self, number: int) -> Message:
        chance = self._chance
        parts: list[Part] = []
        if chance.random() < 0.2:
            parts.append(Reasoning(chance.choice(TEXTS)))
        if self._tools and chance.random() < 0.4:
            if chance.random() < 0.5:
                parts.append(Text(chance.choice(TEXTS)))
            id = chance.choice((f"call_{number}", "call_1"))
            parts.append(ToolCall("search", {"query": chance.choice(TEXTS)}, id))
        else:
            parts.append(Text(chance.choice(TEXTS)))
        return Message("assistant", tuple(parts), finish_reason="stop")

    def _resend(self, answer: Message) -> Message:
        """Return an answer as the application sends it back."""
        chance = self._chance
        parts = answer.parts
        if chance.random() < 0.8:
            parts = tuple(part for part in parts if not isinstance(part, Reasoning)) or parts
        if chance.random() < 0.05:
            parts = (Text(chance.choice(TEXTS)),)
        return Message("assistant", parts)

    def _change(self, messages: list[Message]) -> list[Message]:
        """Return a history as it is sent: nearly always whole."""
        chance, odd = self._chance, self._chance.random()
        if odd < 0.05:
            return messages[-chance.randint(1, 4) :]
        if odd < 0.1:
            at = chance.randrange(len(messages))
            messages[at] = replace(messages[at], parts=(Text(chance.choice(TEXTS)),))
        elif odd < 0.13 and len(messages) > 3:
            del messages[chance.randrange(len(messages) - 1)]
        elif odd < 0.15:
            self._history = messages[: chance.randint(1, len(messages))]
            return list(self._history)
        elif odd < 0.17:
            return [*messages, *messages]
        return messages

    def _make_span(self, number: int, messages: list[Message], answer: Message) -> SpanRecord:
        chance = self._chance
        prompt = chance.choice(PROMPTS) if chance.random() < 0.1 else self._prompt
        given = [Message("system", (Text(prompt),)), *messages] if prompt else messages
        failed = chance.random() < 0.03
        operation = Operation(
            "chat",
            ConversationContext(self._name, self._user, internal=chance.random() < 0.02),
            request_model="m",
            response_id=f"r-{number}",
            input=tuple(given),
            output=() if failed else (answer,),
            output_type="json" if chance.random() < 0.1 else None,
        )
        start_ns = START_NS + number * STEP_NS
        return SpanRecord(
            f"{chance.choice((number, 1)):032x}" if chance.random() < 0.1 else f"{number:032x}",
            f"{number:016x}",
            "chat m",
            start_ns,
            start_ns + STEP_NS // 2,
            attributes=attributes_of(operation),
            status="error" if failed else "unset",
            scope=self._scope,
        )


def make_arrivals(seed: int, calls: int = 40) -> Iterator[list[SpanRecord]]:
    """Make up chats at the same time; yield their spans as they arrive."""
    chance = random.Random(seed)
    scopes = chance.choice(((OURS,), (FOREIGN,), (OURS, FOREIGN), (FOREIGN, "other")))
    named = chance.random() < 0.5
    chats = [
        WildChat(
            random.Random(chance.choice((seed, chance.random()))),
            f"c{at % 2}" if named else None,
            chance.choice(scopes),
        )
        for at in range(chance.randint(1, 3))
    ]
    spans = [chance.choice(chats).call(number) for number in range(1, calls + 1)]
    if chance.random() < 0.3:
        spans = [span for span in spans for _ in range(1 + (chance.random() < 0.2))]
    if chance.random() < 0.3:
        for at in range(len(spans) - 1):
            if chance.random() < 0.2:
                spans[at], spans[at + 1] = spans[at + 1], spans[at]
    size = chance.choice((1, 1, 5, 25))
    for at in range(0, len(spans), size):
        yield spans[at : at + size]
