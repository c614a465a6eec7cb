"""Find what an outcome or a rating belongs to: both look in the same places, in the same order."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from greenflash_otel import internal_errors
from greenflash_otel.arguments import report
from greenflash_otel.conversations.resolve import choose_fallback_conversation_id
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.errors import InvalidFeedbackError, InvalidOutcomeError
from greenflash_otel.ingest.notes import Notes
from greenflash_otel.message_ids.ids import MESSAGE_ID_PREFIX
from greenflash_otel.model.greenflash_ids import read_greenflash_id
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.telemetry import NS_PER_MS, SpanRecord
from greenflash_otel.outcomes import identity_span, rating_span
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Organization, Rating, User
from greenflash_otel.outcomes.span import is_outcome, read_link, read_repaired, read_whose
from greenflash_otel.semconv.genai import read_context

PROVIDER_PREFIXES = ("chatcmpl-", "resp_", "cmpl-", "msg_", "gen-")
"""How ids of answers begin that OpenAI, Anthropic and OpenRouter make."""
Answer: TypeAlias = tuple[str, str]
"""The conversation of an answer, and its message."""


def belongs_to_others(span: SpanRecord) -> bool:
    """Return whether a span records an outcome or a rating, which belong to what other spans record."""
    return is_outcome(span) or rating_span.is_rating(span)


def attach_span(
    store: ConversationStore, span: SpanRecord, notes: Notes, answer: Answer | None
) -> Outcome | Rating | None:
    """Read and attach the outcome or the rating that a span records; None if there is nothing to deliver.

    Args:
        answer: What `find_answer` found for a rating.
    """
    conversation_context = read_context(span.attributes)
    trace_id = span.trace_id if store.index.traces.has(span.trace_id) else None
    if (repaired := read_repaired(span)) is not None:
        report("an outcome's span", repaired.repairs, InvalidOutcomeError, strict=False)
        return attach_outcome(store, repaired.outcome, conversation_context, trace_id, notes)
    rating, repairs = rating_span.read(span)
    report("a rating's span", repairs, InvalidFeedbackError, strict=False, is_usable=rating is not None)
    if rating is None:
        internal_errors.count_lost("unusable_arguments")
        return None
    return attach_rating(store, rating, conversation_context, trace_id, answer)


def read_identity(span: SpanRecord) -> User | Organization | None:
    """Read the user or the organization that a span describes; None if it has no id, which is counted."""
    identity, repairs = identity_span.read(span)
    report("a user's span", repairs, InvalidFeedbackError, strict=False, is_usable=identity is not None)
    if identity is None:
        internal_errors.count_lost("unusable_arguments")
    return identity


def waits_for_trace(store: ConversationStore, span: SpanRecord) -> bool:
    """Return whether the outcome or rating of a span names no conversation, and its trace none yet."""
    whose = read_context(span.attributes)
    is_linked = read_link(span.attributes) is not None
    is_named = (
        is_linked
        or read_whose(span.attributes)[0]
        or (whose.scope_id and store.index.scopes.has(whose.scope_id))
    )
    return not (is_named or store.index.traces.has(span.trace_id))


def find_answer(store: ConversationStore, rating: Rating, notes: Notes) -> Answer | None:
    """Find the answer that a rating names: in our own memory, else in what other processes noted.

    That may read files. So a caller does it once, and hands on what it got.
    """
    id = rating.message_id
    if id is None or _names_message(id):
        return None
    if (location := store.index.responses.get(id)) is not None:
        cursor = location.cursor
        return location.conversation_id, cursor.last_visible_id or cursor.head_id or id
    return notes.find_response(id)


def awaits_answer(rating: Rating, answer: Answer | None) -> bool:
    """Return whether a rating names an answer that may be captured later, here or by another process.

    Ids of messages that this library made need no answer. With a named conversation any other id may be one
    that the application gave a message itself, unless a provider made it.
    """
    id = rating.message_id
    if answer is not None or id is None or _names_message(id):
        return False
    return rating.conversation_id is None or id.startswith(PROVIDER_PREFIXES)


def _names_message(id: str) -> bool:
    """Return whether an id is a message's own, so that no answer has to be found: we or Greenflash made it."""
    return id.startswith(MESSAGE_ID_PREFIX) or read_greenflash_id(id) is not None


def attach_outcome(
    store: ConversationStore,
    outcome: Outcome,
    conversation_context: ConversationContext,
    trace_id: str | None,
    notes: Notes,
) -> Outcome:
    """Return an outcome with its conversation, and with the user of that if it names none.

    One that belongs to no conversation is counted: it is delivered without.
    """
    if outcome.link is not None and outcome.conversation_id is None:
        id = _find_latest(outcome, notes)
    else:
        id = _find_conversation(store, outcome.conversation_id, conversation_context, trace_id)
    if id is None:
        internal_errors.count_unlinked()
        return outcome
    facts = store.get_state(id).facts
    return replace(
        outcome,
        conversation_id=id,
        user_id=outcome.user_id or facts.user_id,
        organization_id=outcome.organization_id or facts.organization_id,
    )


def attach_rating(
    store: ConversationStore,
    rating: Rating,
    conversation_context: ConversationContext,
    trace_id: str | None,
    answer: Answer | None,
) -> Rating | None:
    """Return a rating with its conversation and its message; None if neither is known.

    Greenflash takes no rating of nothing. An application often knows an answer only by the id of the
    provider's response, which leads to the message.

    Args:
        answer: What `find_answer` found.
    """
    if rating.message_id is not None and read_greenflash_id(rating.message_id) is not None:
        return rating  # Greenflash knows the conversation of its own message
    if answer is not None and rating.conversation_id in (None, answer[0]):
        return replace(rating, conversation_id=answer[0], message_id=answer[1])
    id = _find_conversation(store, rating.conversation_id, conversation_context, trace_id)
    if id is None and rating.message_id is not None and _names_message(rating.message_id):
        return rating  # an id that we made is of one message only: Greenflash finds its conversation
    if id is None:
        internal_errors.count_unlinked()
        if rating.message_id is not None:
            internal_errors.warn_once(
                "a rating names an answer that was not captured within ten minutes, or before flush() or the end; "
                "it is delivered, but Greenflash may not know the message. Pass response=, or an id that "
                "message_id() gave, and let both processes use one outbox folder",
                key="rating of an unknown answer",
                page="unlinked",
            )
        else:
            internal_errors.count_lost("rating_of_nothing")
            internal_errors.warn_once(
                "record_rating() found no conversation, so there was nothing to rate; call it inside "
                "conversation() or pass conversation_id",
                page="unlinked",
            )
            return None
    return replace(rating, conversation_id=id)


def _find_latest(outcome: Outcome, notes: Notes) -> str | None:
    """Return the newest conversation of an outcome's user, unless it ended too long before the outcome."""
    latest = None if outcome.user_id is None else notes.find_latest(outcome.user_id)
    if latest is None:
        return None
    id, newest_ms = latest
    return id if outcome.event_at_ns // NS_PER_MS - newest_ms <= outcome.within_s * 1000 else None


def _find_conversation(
    store: ConversationStore,
    conversation_id: str | None,
    conversation_context: ConversationContext,
    trace_id: str | None,
) -> str | None:
    """Return the conversation that was named, else that of the running code, else that of the trace."""
    named = conversation_id or conversation_context.conversation_id
    return named or choose_fallback_conversation_id(store.index, trace_id, conversation_context) or None
