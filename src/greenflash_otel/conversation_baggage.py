"""The conversation in W3C baggage, which OpenTelemetry sends along with requests to other services."""

from __future__ import annotations

from opentelemetry import baggage
from opentelemetry.context import Context

_ENTRY = "greenflash.conversation"
_is_on = False


def set_baggage_propagation(on: bool) -> None:
    """Set whether scopes write their conversation into the baggage, and what is recorded of one looks there."""
    global _is_on
    _is_on = on


def write_conversation(conversation_id: str | None, context: Context) -> Context:
    """Return ``context`` with a conversation in its baggage, if that is switched on."""
    return baggage.set_baggage(_ENTRY, conversation_id, context) if _is_on and conversation_id else context


def read_conversation() -> str | None:
    """Return the conversation of the calling service, if that is switched on; None if it sent none."""
    carried = baggage.get_baggage(_ENTRY) if _is_on else None
    return carried if carried and isinstance(carried, str) else None
