"""The public functions that tell of conversations and users what no span does.

Like `record_outcome`: safe on disk when they return, repair instead of raising, and raise only if ``strict``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

from greenflash_otel import internal_errors, runtime
from greenflash_otel.context import conversation_told_of, current_affiliation
from greenflash_otel.errors import InvalidFeedbackError
from greenflash_otel.model.operation import Json
from greenflash_otel.outcomes.ratings import Organization, Rating, User, organization_of, rating_of, user_of


def record_rating(
    rating: float | bool,
    *,
    rating_min: float | None = None,
    rating_max: float | None = None,
    conversation_id: str | None = None,
    message_id: str | None = None,
    feedback: str | None = None,
    rated_at: datetime | str | None = None,
    strict: bool | None = None,
) -> Rating | None:
    """Tell Greenflash how a conversation was rated. It is safe on disk when this returns.

    ``record_rating(True)`` is a thumb up, ``record_rating(4)`` four of five stars. It belongs to
    ``conversation_id``, else to the active `conversation()`.

    Args:
        rating_min: Lowest possible rating; by default 1, of a thumb 0.
        rating_max: Highest possible rating; by default 5, of a thumb 1.
        message_id: External id of the message that is rated; by default the conversation is.
        feedback: What the user said about it.
        rated_at: When, with a zone; by default now.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Returns:
        The rating as it was recorded; None if the arguments mean none, which is told in the log.

    Raises:
        InvalidFeedbackError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    whose = conversation_told_of() if conversation_id is None else conversation_id
    made, problems = rating_of(
        rating,
        now_ns=time.time_ns(),
        rating_min=rating_min,
        rating_max=rating_max,
        conversation_id=whose,
        message_id=message_id,
        feedback=feedback,
        rated_at=rated_at,
    )
    _take("record_rating", made, problems, strict)
    return made


def identify_user(
    user_id: str | None = None,
    *,
    name: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    anonymized: bool | None = None,
    organization_id: str | None = None,
    properties: Mapping[str, Json] | None = None,
    strict: bool | None = None,
) -> User | None:
    """Tell Greenflash who a user is; what is not given stays as it is. Safe on disk when this returns.

    Args:
        user_id: Your id; by default the user of the active `conversation()`.
        anonymized: Ask Greenflash to show the user without name.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Returns:
        The user as told; None without an id, which is told in the log.

    Raises:
        InvalidFeedbackError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    affiliation = current_affiliation()
    made, problems = user_of(
        affiliation.user_id if user_id is None else user_id,
        name=name,
        email=email,
        phone=phone,
        anonymized=anonymized,
        organization_id=affiliation.organization_id if organization_id is None else organization_id,
        properties=properties,
    )
    _take("identify_user", made, problems, strict)
    return made


def identify_organization(
    organization_id: str | None = None,
    *,
    name: str | None = None,
    properties: Mapping[str, Json] | None = None,
    strict: bool | None = None,
) -> Organization | None:
    """Tell Greenflash about an organization; what is not given stays. Safe on disk when this returns.

    Args:
        organization_id: Your id; by default the organization of the active `conversation()`.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Returns:
        The organization as told; None without an id, which is told in the log.

    Raises:
        InvalidFeedbackError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    whose = current_affiliation().organization_id if organization_id is None else organization_id
    made, problems = organization_of(whose, name=name, properties=properties)
    _take("identify_organization", made, problems, strict)
    return made


def _take(
    function: str, made: Rating | User | Organization | None, problems: tuple[str, ...], strict: bool | None
) -> None:
    """Complain about what was wrong with the arguments, and keep what they mean."""
    pipeline = runtime.active_pipeline()
    if problems:
        if strict or (strict is None and pipeline is not None and pipeline.settings.strict):
            raise InvalidFeedbackError("; ".join(problems))
        done = "repaired its arguments" if made is not None else "told nothing"
        internal_errors.warn_once(f"{function}() {done}: {'; '.join(problems)}")
    if made is None:
        return
    if pipeline is None:
        internal_errors.warn_once(f"{function}() before instrument(): nobody was told")
    elif pipeline.settings.export == "greenflash":
        with internal_errors.guarded(f"keep what {function}() told"):
            pipeline.take_feedback(made)
    elif pipeline.settings.export == "otlp":
        internal_errors.warn_once(
            f"{function}() with export='otlp': a Collector carries spans, so nobody was told"
        )
