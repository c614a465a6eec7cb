"""What a request did, in one line for people. Pure."""

from __future__ import annotations

from greenflash_otel.emulator.contract import EventRequest, MessagesRequest, RatingRequest
from greenflash_otel.emulator.store.writing import Receipt

SAMPLED_OUT = "sampled out: nothing was stored"
LONGEST = 300
"""Characters of a line: ids may be as long as they like."""


def describe_messages(request: MessagesRequest, receipt: Receipt) -> str:
    """Say how many messages were new to which conversation."""
    new = len(receipt.created_ids)
    known_count = len(receipt.messages) - new
    name = request.external_conversation_id or receipt.conversation_id
    return _cut(f"{name}: {new} new" + (f", {known_count} known before" if known_count else ""))


def describe_messages_briefly(request: MessagesRequest, receipt: Receipt) -> str:
    """Say how many messages were new to which conversation, as ``chat-42 +2 (1 known)``."""
    new = len(receipt.created_ids)
    known = len(receipt.messages) - new
    name = request.external_conversation_id or receipt.conversation_id
    return _cut(f"{name} +{new}" + (f" ({known} known)" if known else ""))


def describe_event(request: EventRequest) -> str:
    """Say what happened, and in which conversation."""
    conversation = request.external_conversation_id or request.conversation_id
    line = f"{request.event_type} {request.value}"
    return _cut(f"{line} → {conversation}" if conversation else f"{line}, in no conversation")


def describe_rating(request: RatingRequest) -> str:
    """Say what was rated how."""
    message = request.external_message_id or request.message_id
    conversation = request.external_conversation_id or request.conversation_id
    rated = f"message {message}" if message else conversation
    return _cut(f"{request.rating:g} of {request.rating_max:g} → {rated}")


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
