"""Legacy completions: the prompt as what the user said, the text as the answer. Pure.

A request with several prompts is a batch and no conversation: one hidden step. Prompts of token ids are
retained as their number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, read_choices
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.json_values import NOTHING, JsonObject, read_count, read_json_object, read_list, read_str
from greenflash_otel.model.operation import Message, Operation, Other, Part, Text

HEAD = ("id", "model", "system_fingerprint", "error", "usage")
"""Fields of a chunk that belong to the whole answer; the last value that is not empty counts."""


def read_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` with what a request asks for."""
    prompt, choice_count = request.body.get("prompt"), read_count(request.body.get("n")) or 1
    prompts = [prompt] if isinstance(prompt, str) or _is_tokens(prompt) else read_list(prompt)
    return replace(
        operation,
        name=operation.name if len(prompts) < 2 else "text_completion_batch",
        input=tuple(Message("user", (_read_prompt(prompt),)) for prompt in prompts if prompt),
        choice_count=choice_count * max(1, len(prompts)),
    )


def read_answer(body: JsonObject) -> ModelAnswer:
    """Read the answer that a whole body contains; a streamed one is put together into the same form before."""
    return read_choices(body, _read_choice, ("system_fingerprint",))


class CompletionAssembly:
    """A completion in the making."""

    def __init__(self, choice_count: int) -> None:
        self._expected = choice_count
        self._head: dict[str, Any] = {}
        self._texts: dict[int, list[str]] = {}
        self._reasons: dict[int, str] = {}
        self._bare = False
        """Whether the chunks came as ``{"value": …}``, as Writer sends them."""

    @property
    def complete(self) -> bool:
        """Whether every choice has said why it stopped; bare values never do."""
        return self._bare or len(self._reasons) >= self._expected

    def add(self, event: JsonObject) -> None:
        """Take in the next chunk."""
        if value := read_str(event.get("value")):
            self._bare = True
            self._texts.setdefault(0, []).append(value)
        self._head |= {name: value for name in HEAD if (value := event.get(name))}
        for choice in map(read_json_object, read_list(event.get("choices"))):
            index = read_count(choice.get("index")) or 0
            self._texts.setdefault(index, []).append(read_str(choice.get("text")) or "")
            if reason := read_str(choice.get("finish_reason")):
                self._reasons[index] = reason

    def to_json(self) -> JsonObject:
        """Return the body of the answer so far."""
        choices = [
            {"index": index, "text": "".join(texts), "finish_reason": self._reasons.get(index)}
            for index, texts in sorted(self._texts.items())
        ]
        return {**NOTHING, **self._head, "choices": choices}


def _read_choice(choice: JsonObject) -> Message:
    text = read_str(choice.get("text"))
    parts = (Text(text),) if text else ()
    return Message("assistant", parts, finish_reason=read_str(choice.get("finish_reason")))


def _read_prompt(prompt: object) -> Part:
    return Text(prompt) if isinstance(prompt, str) else Other("tokens", {"count": len(read_list(prompt))})


def _is_tokens(prompt: object) -> bool:
    return bool(read_list(prompt)) and all(read_count(token) is not None for token in read_list(prompt))
