"""Find what an outcome or a rating belongs to: both look in the same places, in the same order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from greenflash_otel import internal_errors
from greenflash_otel.conversations.resolve import fallback_id
from greenflash_otel.conversations.store import Memory
from greenflash_otel.model.operation import Affiliation
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Rating


def attach_outcome(
    memory: Memory, outcome: Outcome, affiliation: Affiliation, trace_id: str | None
) -> Outcome:
    """Return an outcome with its conversation, and with the user of that if it names none.

    One that belongs to no conversation is counted: it is delivered without.
    """
    id = _conversation_of(memory, outcome.conversation_id, affiliation, trace_id)
    if id is None:
        internal_errors.count_unlinked()
        return outcome
    known = memory.conversation(id)
    return replace(
        outcome,
        conversation_id=id,
        user_id=outcome.user_id or known.user_id,
        organization_id=outcome.organization_id or known.organization_id,
    )


def attach_rating(
    memory: Memory,
    rating: Rating,
    affiliation: Affiliation,
    trace_id: str | None,
    find_response: Callable[[str], tuple[str, str] | None] = lambda response_id: None,
) -> Rating | None:
    """Return a rating with its conversation and its message; None if neither is known.

    Greenflash takes no rating of nothing. An application often knows an answer only by the id of the
    provider's response, which leads to the message.

    Args:
        find_response: Finds the conversation and the message of a response that another process recorded.
    """
    answer = _answer_of(memory, rating.message_id, find_response) if rating.message_id else None
    if answer is not None and rating.conversation_id in (None, answer[0]):
        return replace(rating, conversation_id=answer[0], message_id=answer[1])
    id = _conversation_of(memory, rating.conversation_id, affiliation, trace_id)
    if id is None:
        internal_errors.count_unlinked()
        if rating.message_id is None:
            internal_errors.count_lost("rating_of_nothing")
            internal_errors.warn_once(
                "record_rating() found no conversation, so there was nothing to rate; call it inside "
                "conversation() or pass conversation_id"
            )
            return None
    return replace(rating, conversation_id=id)


def _answer_of(
    memory: Memory, response_id: str, find_response: Callable[[str], tuple[str, str] | None]
) -> tuple[str, str] | None:
    """Return the conversation and the message of a response: by our own memory, else by what others noted."""
    if (found := memory.responses.find(response_id)) is not None:
        conversation_id, position = found
        return conversation_id, position.visible or position.tip or response_id
    return find_response(response_id)


def _conversation_of(
    memory: Memory, conversation_id: str | None, affiliation: Affiliation, trace_id: str | None
) -> str | None:
    """Return the conversation that was named, else that of the running code, else that of the trace."""
    named = conversation_id or affiliation.conversation_id
    return named or fallback_id(memory, trace_id, affiliation) or None
