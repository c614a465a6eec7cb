"""Prepare an operation for the conversation model: find its prompt, split its messages once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.message_ids.fragments import (
    Fragment,
    SplitMessage,
    find_system_prompt,
    split_messages,
    split_refused,
)
from greenflash_otel.message_ids.validation_reports import hide_validation_reports
from greenflash_otel.model.long_input import Beginning, with_whole_input
from greenflash_otel.model.operation import MAIN_CALLS, RECORD_MESSAGE, TURN, Json, Operation
from greenflash_otel.model.prompt_templates import find_missing_values, merge_prompts
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.values import value

REFUSALS = frozenset({"ValidationError", "LengthFinishReasonError", "ContentFilterFinishReasonError"})
"""What OpenAI's SDK raises if an answer is not what the application asked it to parse."""


@value
class PreparedOperation:
    """An operation whose messages are split. All later steps read this, none splits again."""

    operation: Operation
    prompt: str | None
    """The system prompt."""
    messages: Sequence[SplitMessage]
    """The input without the system prompt."""
    answers: Sequence[SplitMessage]
    """The output."""
    beginning: Beginning | None = None
    """What is known of the beginning of the input, if that is left out of `messages`."""

    def with_whole_input(self) -> PreparedOperation:
        """Return the operation with all of its input."""
        return self if self.beginning is None else prepare(with_whole_input(self.operation))

    def list_alternatives(self) -> Sequence[Sequence[SplitMessage]]:
        """Return the answers any of which may be the one that the application resends."""
        if self.operation.name == TURN:
            return [self.answers]
        return [(answer,) for answer in self.answers[: self.operation.choice_count]] or [()]

    def list_resent_answers(self) -> Sequence[SplitMessage]:
        """Return the answers that follow each other: of alternatives, the first."""
        return self.answers[:1] if self.operation.choice_count > 1 else self.answers

    def find_input_facts(self) -> Mapping[str, Json] | None:
        """Return what describes the messages of the input, where the operation records nothing else."""
        return self.operation.properties if self.operation.name == RECORD_MESSAGE else None

    def name_in(self, span: SpanRecord) -> str:
        """Return a name for what a span says; log records that arrive later may make it more."""
        part_count = self.beginning.part_count if self.beginning else 0
        for messages in (self.operation.input, self.operation.output):
            for message in messages:
                part_count += len(message.parts)
        return f"{span.trace_id} {span.span_id} {part_count}"


def list_links(messages: Iterable[SplitMessage]) -> list[Fragment]:
    """Return the fragments that later ones can follow."""
    return [fragment for message in messages for fragment in message.fragments if fragment.is_link]


def prepare(operation: Operation) -> PreparedOperation:
    """Split the messages of an operation."""
    split_output = split_refused if _is_refused(operation) else split_messages
    prompt, leading = find_system_prompt(operation)
    template = merge_prompts(operation.conversation_context.prompt, operation.prompt)
    if template is not None:
        operation = replace(operation, prompt=find_missing_values(template, prompt))
    messages = hide_validation_reports(operation.input[leading:] if leading else operation.input)
    return PreparedOperation(
        operation,
        prompt,
        split_messages(messages),
        split_output(operation.output),
        operation.long_input.beginning if operation.long_input else None,
    )


def _is_refused(operation: Operation) -> bool:
    """Return whether the SDK raised instead of returning the answer; of a stream, the user may have read it."""
    if operation.failure is None or operation.streamed or operation.name not in MAIN_CALLS:
        return False
    return operation.failure.type in REFUSALS
