"""Select what of an operation goes on its span: the same for every instrumentation."""

from __future__ import annotations

from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import Operation
from greenflash_otel.semconv.correlation.pairing import name_calls


def select_recorded(
    operation: Operation, *, capture_content: bool, history: KnownHistory | None
) -> Operation:
    """Return the part of an operation that goes on its span.

    Content goes first: an id that is made for a call is a hash of what was said, and could be guessed from.

    Args:
        history: Shortens the input; None leaves it whole.
    """
    if not capture_content:
        operation = remove_content(operation)
    with guarded("name the calls of tools"):
        operation = name_calls(operation)
    with guarded("shorten a history"):
        if history is not None:
            return history.shorten(operation)
    return operation
