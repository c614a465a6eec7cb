"""The public function `record_message`: what was said without a model call."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

from opentelemetry import context as otel_context

from greenflash_otel import internal_errors, runtime
from greenflash_otel.arguments import Properties, Repairs, choose, read_properties, read_text, report
from greenflash_otel.context import get_current_conversation_context, without_providers
from greenflash_otel.errors import InvalidStepError
from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import RECORD_MESSAGE, Message, Operation, Text

Speaker: TypeAlias = Literal["user", "assistant"]


def record_message(
    role: Speaker, text: str, *, properties: Properties | None = None, strict: bool | None = None
) -> None:
    """Record what was said without a model call: a greeting, a canned answer, a person who takes over.

    ``record_message("assistant", "Hi, this is Bea from support.")`` follows the last message of the active
    conversation. A model call that resends the text afterwards adds no second message.

    Args:
        role: ``user`` or ``assistant``; whoever answers the user is the assistant.
        text: What the user said or saw.
        properties: Anything JSON that describes the message, such as who wrote it.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Raises:
        InvalidStepError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    repairs, operation = Repairs(), None
    with guarded("read the arguments of record_message()"):
        speaker = choose("role", role, ("user", "assistant"), repairs)
        content = read_text("text", text, repairs)
        more = repairs.add_original(read_properties(properties, repairs))
        if speaker is not None and content is not None:
            message = (Message(speaker, (Text(content),)),)
            inputs, outputs = (message, ()) if speaker == "user" else ((), message)
            operation = Operation(RECORD_MESSAGE, input=inputs, output=outputs, properties=more)
        elif not repairs.problems:
            repairs.note("text", text, "empty", "what was said")
    report("record_message()", repairs, InvalidStepError, strict=strict, is_usable=operation is not None)
    if operation is None:
        internal_errors.count_lost("unusable_arguments")
        return
    with guarded("record a message", lost="not_recorded"):
        _record(operation)


def _record(operation: Operation) -> None:
    """Record it as something that the user saw, also in a tool or in an agent's turn."""
    if runtime.find_active_pipeline() is None:
        internal_errors.warn_once(
            "record_message() was called before instrument(); it is only visible as a span"
        )
    context = get_current_conversation_context()
    visible = replace(context, internal=False, tool_call_id=None, turn_id=None)
    operation = replace(operation, conversation_context=visible)
    if not runtime.captures_content():
        operation = remove_content(operation)
    outside = without_providers(otel_context.get_current())
    Invocation.start(runtime.find_recording_tracer(), operation, outside).finish(operation)
