"""Prepare an operation for the conversation model: find its prompt, split its messages once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from greenflash_otel.message_ids.fragments import SplitMessage, find_system_prompt, split_messages
from greenflash_otel.message_ids.validation_reports import hide_validation_reports
from greenflash_otel.model.operation import RECORD_MESSAGE, TURN, Json, Operation
from greenflash_otel.model.prompt_templates import find_missing_values, merge_prompts
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.values import value


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

    def list_alternatives(self) -> Sequence[Sequence[SplitMessage]]:
        """Return the answers any of which may be the one that the application resends."""
        if self.operation.name == TURN:
            return [self.answers]
        return [(one,) for one in self.answers[: self.operation.choice_count]] or [()]

    def list_resent_answers(self) -> Sequence[SplitMessage]:
        """Return the answers that follow each other: of alternatives, the first."""
        return self.answers[:1] if self.operation.choice_count > 1 else self.answers

    def find_input_facts(self) -> Mapping[str, Json] | None:
        """Return what describes the messages of the input, where the operation records nothing else."""
        return self.operation.properties if self.operation.name == RECORD_MESSAGE else None

    def name_in(self, span: SpanRecord) -> str:
        """Return a name for what a span says; log records that arrive later may make it more."""
        part_count = 0
        for messages in (self.operation.input, self.operation.output):
            for message in messages:
                part_count += len(message.parts)
        return f"{span.trace_id} {span.span_id} {part_count}"


def prepare(operation: Operation) -> PreparedOperation:
    """Split the messages of an operation."""
    prompt, leading = find_system_prompt(operation)
    template = merge_prompts(operation.conversation_context.prompt, operation.prompt)
    if template is not None:
        operation = replace(operation, prompt=find_missing_values(template, prompt))
    messages = hide_validation_reports(operation.input[leading:] if leading else operation.input)
    return PreparedOperation(operation, prompt, split_messages(messages), split_messages(operation.output))
