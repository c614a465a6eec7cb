"""Names of the conversation and the user that stand elsewhere than on a span or the spans around it. Pure."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.model.operation import Operation, merge_context
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.correlation.reading import Reading
from greenflash_otel.semconv.genai import attributes_of_context
from greenflash_otel.semconv.registry import OURS, read_conversation_context


def name_by_resource(operation: Operation, span: SpanRecord) -> Operation:
    """Return an operation with what its process names, where no span of its trace names anything.

    A program for one user, such as a coding agent, names its session on the resource.
    """
    context = operation.conversation_context
    if span.scope == OURS or not span.resource or (context.conversation_id and context.user_id):
        return operation
    named = merge_context(context, read_conversation_context(span.resource))
    return operation if named == context else replace(operation, conversation_context=named)


def write_context(reading: Reading) -> SpanRecord:
    """Return a span with the conversation and the user that the spans around it gave its operation."""
    if reading.operation is None:
        return reading.span
    context = attributes_of_context(reading.operation.conversation_context)
    named = {name: value for name, value in context.items() if value and name not in reading.span.attributes}
    return replace(reading.span, attributes={**reading.span.attributes, **named}) if named else reading.span
