"""The system prompt of a turn, and the templates that LangChain fills in.

A prompt template is a run of its own: LangChain reports the template as it begins, and the messages as it
ends. So what was filled in is remembered by the text that came of it, until a model is given that text.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile
from typing import Any
from uuid import UUID

from greenflash_otel.instrumentation.langchain.messages import text_of
from greenflash_otel.instrumentation.langchain.plain import get_entry, write_plain
from greenflash_otel.instrumentation.langchain.step import Step
from greenflash_otel.json_values import read_list
from greenflash_otel.lru import ByteBoundLruDict, LruDict
from greenflash_otel.message_ids.ids import have_same_words
from greenflash_otel.model.operation import Json, Message, Part, PromptTemplate, Text, ToolCall
from greenflash_otel.model.prompt_templates import PLACEHOLDER, find_values, join_templates, write_template
from greenflash_otel.model.roles import SYSTEM_ROLES
from greenflash_otel.semconv.formats.langchain import role_of

LEADING = 4
"""Messages of a model's input among which its system prompt is."""
BEGUN = 1_000
"""Templates that are being filled in at once; the oldest is forgotten first."""
FILLED, FILLED_BYTES = 5_000, 4 * 1024 * 1024
"""Prompts that came of templates; the one filled in longest ago is forgotten first."""


class Templates:
    """What templates became. Thread-safe; a signal handler may interrupt its owner."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._begun: LruDict[int, list[tuple[str, dict[str, Json]]]] = LruDict(BEGUN)
        self._filled: ByteBoundLruDict[str, PromptTemplate] = ByteBoundLruDict(
            FILLED, FILLED_BYTES, lambda text, prompt: 3 * len(text) + len(prompt.template or "") + 500
        )

    def begin(self, id: UUID, serialized: Any, inputs: Any) -> None:
        """Note that a run begins, if it fills in a template."""
        if serialized is None or "prompts" not in read_list(get_entry(serialized, "id")):
            return
        fields = get_entry(serialized, "kwargs")
        values = {**_read_mapping(get_entry(fields, "partial_variables")), **_read_mapping(inputs)}
        templates = list[tuple[str, dict[str, Json]]]()
        for template in _list_system_templates(fields):
            names = set(PLACEHOLDER.findall(template))
            templates.append(
                (template, {name: write_plain(values[name]) for name in names if name in values})
            )
        if templates:
            with self._lock:
                self._begun.remember(id.int, templates)

    def end(self, id: UUID, outputs: Any = None) -> None:
        """Note what a template became, if the run filled one in."""
        if not self._begun:
            return
        with self._lock:
            templates = self._begun.pop(id.int, None)
        if not templates or not hasattr(outputs, "to_messages"):
            return
        texts = [text_of(message) for message in outputs.to_messages() if role_of(message) == "system"]
        for template, values in templates:
            for text in texts:
                if (filled_values := find_values(template, values, text)) is not None:
                    with self._lock:
                        self._filled.remember(
                            text, PromptTemplate(variables=filled_values, template=template)
                        )

    def find(self, text: str) -> PromptTemplate | None:
        """Return the template that a text came of, with its values."""
        with self._lock:
            return self._filled.get(text)


TEMPLATES = Templates()
"""Those of this process."""


def find_prompt(messages: Sequence[Any]) -> tuple[str | None, PromptTemplate | None]:
    """Return the system prompt of a model call, and the template that it came of."""
    texts = list[str]()
    for message in messages[:LEADING]:
        if role_of(message) == "system" and (text := text_of(message)):
            texts.append(text)
    template = join_templates(texts, [TEMPLATES.find(text) for text in texts]) if texts else None
    return "\n\n".join(texts) or None, template


def find_call_of_prompt(last: Step | None, models: Sequence[Step], output: Sequence[Message]) -> Step | None:
    """Return the model call whose system prompt is that of a turn: the one whose answer the user saw.

    Args:
        last: The newest call that the turn reports.
        models: All calls.
    """
    if last is not None:
        return last
    answer = next((text for message in reversed(output) if (text := _read_text(message.parts))), None)
    if answer is None:  # it failed, or was left: the user waited for the newest one
        return next((step for step in reversed(models) if not step.run.is_auxiliary), None)
    for step in reversed(models):
        parts = [part for message in step.operation.output for part in message.parts]
        requests = [json.dumps(part.arguments, default=str) for part in parts if isinstance(part, ToolCall)]
        if any(have_same_words(answer, prompt_text) for prompt_text in (_read_text(parts), *requests)):
            return step
    return None


def remove_system_prompt(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the input of a turn without its first system messages: the prompt of the call has them."""
    return tuple(dropwhile(lambda message: message.role in SYSTEM_ROLES, messages))


def _read_text(parts: Sequence[Part]) -> str:
    return "\n".join(part.content for part in parts if isinstance(part, Text))


def _list_system_templates(fields: Any) -> Iterator[str]:
    """Yield the templates of system messages that have something to fill in."""
    for entry in read_list(get_entry(fields, "messages")):
        if (read_list(get_entry(entry, "id")) or [None])[-1] != "SystemMessagePromptTemplate":
            continue
        prompt = get_entry(get_entry(entry, "kwargs"), "prompt")
        written = [_read_template(part) for part in (prompt if isinstance(prompt, list) else [prompt])]
        template = "\n".join(part for part in written if part is not None)
        if None not in written and PLACEHOLDER.search(template):
            yield template


def _read_template(prompt: Any) -> str | None:
    fields = get_entry(prompt, "kwargs")
    template = get_entry(fields, "template")
    if not isinstance(template, str):
        return None
    return write_template(template, str(get_entry(fields, "template_format") or "f-string"))


def _read_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
