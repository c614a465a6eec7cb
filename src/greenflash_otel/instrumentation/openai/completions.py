"""Legacy completions: the prompt as what the user said, the text as the answer. Pure.

A request with several prompts is a batch and no conversation: one hidden step. Prompts of token ids are
kept as their number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.openai.answer import Answer, kept, read_failure
from greenflash_otel.instrumentation.openai.request import Request
from greenflash_otel.json_values import NOTHING, JsonObject, as_count, as_list, as_object, as_text
from greenflash_otel.model.operation import Message, Operation, Other, Part, Text
from greenflash_otel.semconv.usage import read_usage

HEAD = ("id", "model", "system_fingerprint", "error", "usage")
"""Fields of a chunk that belong to the whole answer; the last value that is not empty counts."""


def read_request(request: Request, operation: Operation) -> Operation:
    """``operation`` with what a request asks for."""
    prompt, choice_count = request.body.get("prompt"), as_count(request.body.get("n")) or 1
    prompts = [prompt] if isinstance(prompt, str) or _is_tokens(prompt) else as_list(prompt)
    return replace(
        operation,
        name=operation.name if len(prompts) < 2 else "text_completion_batch",
        input=tuple(Message("user", (_read_prompt(one),)) for one in prompts if one),
        choice_count=choice_count * max(1, len(prompts)),
    )


def read_answer(body: JsonObject) -> Answer:
    """The answer that a whole body holds; a streamed one is put together into the same form before."""
    choices = [as_object(choice) for choice in as_list(body.get("choices"))]
    choices.sort(key=lambda choice: as_count(choice.get("index")) or 0)
    return Answer(
        output=tuple(_read_choice(choice) for choice in choices),
        finish_reasons=tuple(
            reason for choice in choices if (reason := as_text(choice.get("finish_reason")))
        ),
        usage=read_usage(body.get("usage")),
        response_model=as_text(body.get("model")),
        response_id=as_text(body.get("id")),
        properties=kept(body, "system_fingerprint"),
        failure=read_failure(body.get("error")),
    )


class CompletionAssembly:
    """A completion in the making."""

    def __init__(self, choice_count: int) -> None:
        self._expected = choice_count
        self._head: dict[str, Any] = {}
        self._texts: dict[int, list[str]] = {}
        self._reasons: dict[int, str] = {}
        self._bare = False
        """Whether the pieces came as ``{"value": …}``, as Writer sends them."""

    @property
    def complete(self) -> bool:
        """Whether every choice has said why it stopped; bare values never do."""
        return self._bare or len(self._reasons) >= self._expected

    def add(self, event: JsonObject) -> None:
        """Take in the next chunk."""
        if value := as_text(event.get("value")):
            self._bare = True
            self._texts.setdefault(0, []).append(value)
        self._head |= {name: value for name in HEAD if (value := event.get(name))}
        for choice in map(as_object, as_list(event.get("choices"))):
            index = as_count(choice.get("index")) or 0
            self._texts.setdefault(index, []).append(as_text(choice.get("text")) or "")
            if reason := as_text(choice.get("finish_reason")):
                self._reasons[index] = reason

    def whole(self) -> JsonObject:
        """The body of the answer so far."""
        choices = [
            {"index": index, "text": "".join(pieces), "finish_reason": self._reasons.get(index)}
            for index, pieces in sorted(self._texts.items())
        ]
        return {**NOTHING, **self._head, "choices": choices}


def _read_choice(choice: JsonObject) -> Message:
    text = as_text(choice.get("text"))
    parts = (Text(text),) if text else ()
    return Message("assistant", parts, finish_reason=as_text(choice.get("finish_reason")))


def _read_prompt(prompt: object) -> Part:
    return Text(prompt) if isinstance(prompt, str) else Other("tokens", {"count": len(as_list(prompt))})


def _is_tokens(prompt: object) -> bool:
    return bool(as_list(prompt)) and all(as_count(token) is not None for token in as_list(prompt))
