"""What the command line shows, as JSON with a schema: rows of a list, and a conversation in turns. Pure.

Within a turn ``index`` is the order in which things happened, so that a reader can join the lists again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from greenflash_otel.emulator.instants import write_instant
from greenflash_otel.emulator.stored import StoredMessage, StoredOutcome, StoredRating
from greenflash_otel.emulator.viewer.items import (
    BubbleView,
    ConversationView,
    FailureView,
    HappeningView,
    StepsView,
    StepView,
    TurnView,
    read_error,
    read_property,
)
from greenflash_otel.emulator.viewer.rows import ConversationRow

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object to be sent. Any: stored content stays as free-form as it came."""


def write_row(row: ConversationRow) -> JsonObject:
    """Write a conversation of a list, schema ``conversation-list/1``."""
    return {
        "schema": "conversation-list/1",
        "id": row.id,
        "external_id": row.external_id,
        "user": row.user,
        "organization": row.organization,
        "model": row.model,
        "updated_at": write_instant(row.updated_at_us),
        "asked": row.asked,
        "answered": row.answered,
        "messages": row.messages,
        "steps": row.steps,
        "error": row.error,
        "outcomes": [
            {"event_type": type, "value": value, "influence": influence}
            for type, value, influence in row.outcomes
        ],
        "ratings": [
            {"rating": rating, "rating_min": lowest, "rating_max": highest}
            for rating, lowest, highest in row.ratings
        ],
    }


def write_conversation(view: ConversationView, url: str) -> JsonObject:
    """Write a conversation along one of its branches, schema ``conversation/1``."""
    conversation = view.conversation
    happened = {id(happening.outcome or happening.rating): place for place, happening in _place(view.turns)}
    return {
        "schema": "conversation/1",
        "id": conversation.id,
        "external_id": conversation.external_id,
        "user": conversation.external_user_id,
        "organization": conversation.external_organization_id,
        "product_id": conversation.product_id,
        "model": conversation.model,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "system_prompt": conversation.system_prompt,
        "properties": conversation.properties,
        "url": url,
        "branch_count": view.branch_count,
        "turns": [_write_turn(turn) for turn in view.turns],
        "outcomes": [
            {**write_outcome(outcome), **happened.get(id(outcome), {})} for outcome in conversation.outcomes
        ],
        "ratings": [
            {**write_rating(rating), **happened.get(id(rating), {})} for rating in conversation.ratings
        ],
    }


def write_outcome(outcome: StoredOutcome) -> JsonObject:
    """Write a business event."""
    return {
        "id": outcome.id,
        "at": outcome.occurred_at,
        "event_type": outcome.event_type,
        "value": outcome.value,
        "value_type": outcome.value_type,
        "influence": outcome.influence,
        "user": outcome.external_user_id,
        "properties": outcome.properties,
    }


def write_rating(rating: StoredRating) -> JsonObject:
    """Write a rating."""
    return {
        "at": rating.rated_at,
        "rating": rating.rating,
        "rating_min": rating.rating_min,
        "rating_max": rating.rating_max,
        "feedback": rating.feedback,
        "message": rating.message,
    }


def write_message(message: StoredMessage) -> JsonObject:
    """Write what the user said or saw."""
    return {
        "id": message.id,
        "external_id": message.external_id,
        "type": message.type,
        "at": message.created_at,
        "content": message.content,
        "model": message.model,
        "input_tokens": read_property(message, "input_tokens"),
        "output_tokens": read_property(message, "output_tokens"),
        "latency_ms": read_property(message, "latency_ms"),
        "ending": read_property(message, "ending"),
        "error": read_error(message) or None,
    }


def _place(turns: Sequence[TurnView]) -> Iterator[tuple[Mapping[str, Any], HappeningView]]:
    """Yield what happened between messages, each with where that was."""
    for turn in turns:
        for index, item in enumerate(turn.items):
            if isinstance(item, HappeningView):
                place = {"turn": turn.number, "index": index, "gap": item.gap or None}
                yield {**place, "unknown_message": item.unknown_message}, item


def _write_turn(turn: TurnView) -> JsonObject:
    written: JsonObject = {
        "number": turn.number,
        "id": turn.id,
        "at": turn.at,
        "user": None,
        "steps": [],
        "answers": [],
        "system": [],
        "failure": None,
        "branches": [
            {"message": branch.id, "is_shown": branch.is_shown, "was_continued": branch.was_continued}
            for branch in turn.branches
        ],
    }
    for index, item in enumerate(turn.items):
        if isinstance(item, BubbleView):
            bubble = {"index": index, **_write_bubble(item)}
            if item.side == "user":
                written["user"] = bubble
            else:
                written["answers" if item.side == "answer" else "system"].append(bubble)
        elif isinstance(item, StepsView):
            written["steps"] += [{"index": index, **_write_step(step)} for step in item.steps]
        elif isinstance(item, FailureView):
            written["failure"] = {"index": index, "at": item.message.created_at, "error": item.text}
    return written


def _write_bubble(bubble: BubbleView) -> JsonObject:
    return {
        **write_message(bubble.message),
        "missing_parent": bubble.missing_parent,
        "number": bubble.number,
        "of": bubble.of,
        "ending_text": bubble.ending or None,
        "ratings": [write_rating(rating) for rating in bubble.ratings],
    }


def _write_step(step: StepView) -> JsonObject:
    return {
        **_write_payloads(step.message),
        "depth": step.depth,
        "duration_ms": None if step.duration_us is None else step.duration_us / 1_000,
        "missing_parent": step.missing_parent,
        "results": [_write_payloads(result) for result in step.results],
        "ratings": [write_rating(rating) for rating in step.ratings],
    }


def _write_payloads(message: StoredMessage) -> JsonObject:
    return {
        "id": message.id,
        "external_id": message.external_id,
        "type": message.type,
        "at": message.created_at,
        "name": message.tool_name,
        "model": message.model,
        "input": message.input,
        "output": message.output,
        "content": message.content,
        "context": message.context,
        "properties": message.properties,
        "error": read_error(message) or None,
    }
