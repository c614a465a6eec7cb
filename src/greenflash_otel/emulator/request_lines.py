"""What a request did, in one line for people. Pure."""

from __future__ import annotations

from greenflash_otel.emulator.contract import EventRequest, MessagesRequest, RatingRequest
from greenflash_otel.emulator.store.writing import Receipt
from greenflash_otel.emulator.terminal_lines import cut

SAMPLED_OUT = "sampled out: nothing was stored"
LONGEST = 300
"""Characters of a line: ids may be as long as they like."""


def describe_messages(request: MessagesRequest, receipt: Receipt) -> str:
    """Say how many messages were new to which conversation."""
    name, new, known = _count_messages(request, receipt)
    return cut(f"{name}: {new} new" + (f", {known} known before" if known else ""), LONGEST)


def describe_messages_briefly(request: MessagesRequest, receipt: Receipt) -> str:
    """Say how many messages were new to which conversation, as ``chat-42 +2 (1 known)``."""
    name, new, known = _count_messages(request, receipt)
    return cut(f"{name} +{new}" + (f" ({known} known)" if known else ""), LONGEST)


def describe_event(request: EventRequest) -> str:
    """Say what happened, and in which conversation."""
    conversation = _name_conversation(request)
    line = f"{request.event_type} {request.value}"
    return cut(f"{line} → {conversation}" if conversation else f"{line}, in no conversation", LONGEST)


def describe_rating(request: RatingRequest) -> str:
    """Say what was rated how."""
    message = request.external_message_id or request.message_id
    rated = f"message {message}" if message else _name_conversation(request)
    return cut(f"{request.rating:g} of {request.rating_max:g} → {rated}", LONGEST)


def _count_messages(request: MessagesRequest, receipt: Receipt) -> tuple[str, int, int]:
    """Return the name of the conversation, and how many messages were new and known."""
    new = len(receipt.created_ids)
    return request.external_conversation_id or receipt.conversation_id, new, len(receipt.messages) - new


def _name_conversation(request: EventRequest | RatingRequest) -> str | None:
    return request.external_conversation_id or request.conversation_id
