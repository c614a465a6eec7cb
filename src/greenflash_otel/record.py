"""The public functions that record what no model call says: outcomes, ratings, users and organizations.

All of them go the same way. The arguments are repaired, with a warning once, or with an error if the call is
strict; the pipeline finds the conversation and writes the request to the outbox before the function returns.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import format_trace_id

from greenflash_otel import internal_errors, runtime
from greenflash_otel.answer_ids import message_id as find_message_id
from greenflash_otel.arguments import Id, Properties, Repairs, report
from greenflash_otel.context import (
    conversation_for_feedback,
    get_current_conversation_context,
    without_conversation,
)
from greenflash_otel.conversation_handle import connect
from greenflash_otel.errors import InvalidFeedbackError, InvalidOutcomeError
from greenflash_otel.instrumentation.invocation import Invocation, write_attributes
from greenflash_otel.model.operation import (
    ConversationContext,
    Operation,
)
from greenflash_otel.model.own_operations import SET_PROPERTIES
from greenflash_otel.outcomes import identity_span, rating_span
from greenflash_otel.outcomes.outcome import Influence, Link, Outcome, ValueType
from greenflash_otel.outcomes.ratings import (
    Organization,
    Rating,
    User,
    repair_organization,
    repair_rating,
    repair_user,
)
from greenflash_otel.outcomes.repair import repair_outcome
from greenflash_otel.outcomes.span import SPAN_NAME, attributes_of
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.semconv.genai import Attribute

_NOBODY = ConversationContext()

T = TypeVar("T")
S = TypeVar("S")
F = TypeVar("F", User, Organization)


def record_outcome(
    event_type: str,
    value: str | int | float | Decimal | bool = True,
    *,
    value_type: ValueType | None = None,
    influence: Influence | None = None,
    quality_impact_score: float | None = None,
    conversation_id: Id | None = None,
    user_id: Id | None = None,
    organization_id: Id | None = None,
    event_at: datetime | date | str | float | None = None,
    properties: Properties | None = None,
    insert_id: Id | None = None,
    link: Link | None = None,
    within_s: float | None = None,
    greenflash_conversation_id: Id | None = None,
    greenflash_user_id: Id | None = None,
    greenflash_organization_id: Id | None = None,
    sample_rate: float | None = None,
    force_sample: bool | None = None,
    strict: bool | None = None,
) -> Outcome:
    """Report to Greenflash what a conversation led to. It is safe on disk when this returns.

    It belongs to ``conversation_id``, else to the active `conversation()`, else to that of the calling
    service (setting ``baggage``), else to the conversation of the active trace.
    ``record_outcome("upgrade", "149.00", value_type="currency", influence="positive")``

    Args:
        event_type: What happened, in your words: ``"upgrade"``, ``"cancellation_requested"``.
        value: Amount, label or flag. A `Decimal` is sent exactly.
        value_type: ``currency``, ``numeric``, ``text`` or ``boolean``; by default what ``value`` is.
        influence: ``positive``, ``negative`` or ``neutral`` for the quality of the conversation.
        quality_impact_score: -1 to 1; overrides the score Greenflash derives from ``influence``.
        user_id: By default the user of the active `conversation()`; if that names none, nor does the outcome.
        link: ``latest``: without a ``conversation_id`` it belongs to the newest conversation of its user that a process
            of this outbox folder recorded, and not to the active one.
        within_s: How long before the outcome that conversation may have ended, in seconds; by default 30 days.
        greenflash_conversation_id: The id that Greenflash gave the conversation. It counts before ``conversation_id``
            and the active `conversation()`. So do ``greenflash_user_id`` and ``greenflash_organization_id``.
        event_at: When it happened: a datetime with a zone, a date, ISO 8601 text, Unix time; by default now.
        insert_id: Your idempotency key, e.g. an order number; by default a new one, which the result has.
        sample_rate: 0 to 1, share of such outcomes to keep; by default the setting of that name.
        force_sample: Keep it whatever the rate says. By default the setting, except with a ``sample_rate``.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Returns:
        The outcome as it was recorded. Bad arguments are repaired with a warning; their originals are in
        its ``properties["greenflash_original"]``.

    Raises:
        InvalidOutcomeError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    conversation_context = get_current_conversation_context()
    active = conversation_context if greenflash_conversation_id is None else _NOBODY
    is_elsewhere = link is not None or greenflash_conversation_id is not None
    repaired = repair_outcome(
        event_type,
        value,
        now_ns=time.time_ns(),
        new_insert_id=uuid.uuid4().hex,
        insert_id=insert_id,
        value_type=value_type,
        influence=influence,
        quality_impact_score=quality_impact_score,
        conversation_id=_choose_id(conversation_id, None if is_elsewhere else conversation_for_feedback()),
        user_id=_choose_id(user_id, active.user_id),
        organization_id=_choose_id(organization_id, active.organization_id),
        greenflash_conversation_id=greenflash_conversation_id,
        greenflash_user_id=greenflash_user_id,
        greenflash_organization_id=greenflash_organization_id,
        link=link,
        within_s=within_s,
        event_at=event_at,
        properties=properties,
        sample_rate=sample_rate,
        force_sample=force_sample,
    )
    report("record_outcome()", repaired.repairs, InvalidOutcomeError, strict=strict)
    done, trace_id = repaired.outcome, _get_active_trace_id()
    outcome = _deliver(
        "record_outcome()",
        done,
        lambda pipeline: pipeline.take_outcome(done, conversation_context, trace_id),
    )
    runtime.note_in_capture(outcome.insert_id)
    if runtime.has_other_readers():
        _make_span(SPAN_NAME, attributes_of(outcome), is_elsewhere=is_elsewhere)
    return outcome


def record_rating(
    rating: float | Decimal | bool,
    *,
    rating_min: float | None = None,
    rating_max: float | None = None,
    response: Any = None,
    conversation_id: Id | None = None,
    message_id: Id | None = None,
    greenflash_conversation_id: Id | None = None,
    greenflash_message_id: Id | None = None,
    feedback: str | None = None,
    rated_at: datetime | date | str | float | None = None,
    strict: bool | None = None,
) -> Rating | None:
    """Report to Greenflash how a conversation was rated. It is safe on disk when this returns.

    ``record_rating(True)`` is a thumb up, ``record_rating(4)`` four of five stars. It belongs where
    `record_outcome()` would belong: to ``conversation_id``, else to the active `conversation()`, else to that
    of the calling service (setting ``baggage``), else to the conversation of the active trace.

    Args:
        rating_min: Lowest possible rating; by default 1, of a thumb 0.
        rating_max: Highest possible rating; by default 5, of a thumb 1.
        response: The answer that is rated: whatever `message_id()` takes.
        message_id: The message that is rated, by its external id, by what `message_id()` returned, or by the id of the
            provider's response; by default the conversation is.
        greenflash_conversation_id: The id that Greenflash gave the conversation; it counts before all other.
        greenflash_message_id: The id that Greenflash gave the message.
        feedback: What the user said about it.
        rated_at: When, as ``event_at`` of `record_outcome()`; by default now.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Returns:
        The rating as it was recorded; None if the arguments mean none, or if there is nothing that it could
        rate. The log then says so, and `stats()` counts it.

    Raises:
        InvalidFeedbackError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    conversation_context = get_current_conversation_context()
    is_elsewhere = greenflash_conversation_id is not None or greenflash_message_id is not None
    whose = _choose_id(conversation_id, None if is_elsewhere else conversation_for_feedback())
    rated_id = find_message_id(response) if message_id is None else message_id
    repaired, repairs = repair_rating(
        rating,
        now_ns=time.time_ns(),
        rating_min=rating_min,
        rating_max=rating_max,
        conversation_id=whose,
        message_id=rated_id,
        greenflash_conversation_id=greenflash_conversation_id,
        greenflash_message_id=greenflash_message_id,
        feedback=feedback,
        rated_at=rated_at,
    )
    if response is not None and rated_id is None:
        repairs.note("response", response, "left out", "an answer that has an id, or its id")
    _report("record_rating()", repaired, repairs, strict)
    if repaired is None:
        return None
    done, trace_id = repaired, _get_active_trace_id()

    def take(pipeline: Pipeline) -> Rating | None:
        return pipeline.take_rating(done, conversation_context, trace_id)

    delivered = _deliver("record_rating()", done, take)
    if runtime.travels_as_span():
        _make_span(rating_span.SPAN_NAME, rating_span.attributes_of(done), is_elsewhere=is_elsewhere)
    return delivered


def identify_user(
    user_id: Id | None = None,
    *,
    name: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    anonymized: bool | None = None,
    organization_id: Id | None = None,
    greenflash_organization_id: Id | None = None,
    properties: Properties | None = None,
    strict: bool | None = None,
) -> User | None:
    """Report to Greenflash who a user is; what is left out stays as it is. Safe on disk when this returns.

    Args:
        user_id: Your id; by default the user of the active `conversation()`.
        anonymized: Ask Greenflash to show the user without name.
        greenflash_organization_id: The id that Greenflash gave the organization; it counts before your own.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Returns:
        The user as recorded; None without an id, of which the log says so.

    Raises:
        InvalidFeedbackError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    conversation_context = get_current_conversation_context()
    user, repairs = repair_user(
        _choose_id(user_id, conversation_context.user_id),
        name=name,
        email=email,
        phone=phone,
        anonymized=anonymized,
        organization_id=_choose_id(organization_id, conversation_context.organization_id),
        greenflash_organization_id=greenflash_organization_id,
        properties=properties,
    )
    _report("identify_user()", user, repairs, strict)
    if user is None:
        return None
    return _identify("identify_user()", user, identity_span.USER_SPAN)


def identify_organization(
    organization_id: Id | None = None,
    *,
    name: str | None = None,
    properties: Properties | None = None,
    strict: bool | None = None,
) -> Organization | None:
    """Report to Greenflash about an organization; what is left out stays. Safe on disk when this returns.

    Args:
        organization_id: Your id; by default the organization of the active `conversation()`.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Returns:
        The organization as recorded; None without an id, of which the log says so.

    Raises:
        InvalidFeedbackError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    whose = _choose_id(organization_id, get_current_conversation_context().organization_id)
    organization, repairs = repair_organization(whose, name=name, properties=properties)
    _report("identify_organization()", organization, repairs, strict)
    if organization is None:
        return None
    return _identify("identify_organization()", organization, identity_span.ORGANIZATION_SPAN)


def _send_properties(conversation_context: ConversationContext) -> None:
    """Record properties of a conversation that no call of it may carry any more."""
    operation = Operation(SET_PROPERTIES, conversation_context)
    Invocation.start(runtime.find_recording_tracer(), operation).finish(operation)


connect(runtime.find_conversation, _send_properties)


def _make_span(name: str, attributes: Mapping[str, Attribute], *, is_elsewhere: bool) -> None:
    """Make a span of what was recorded, for the provider and for a Collector.

    Args:
        is_elsewhere: Whether it does not belong to the active conversation.
    """
    with internal_errors.guarded("make a span of what was recorded"):
        here = otel_context.get_current()
        context = without_conversation(here) if is_elsewhere else here
        span = runtime.find_active_tracer().start_span(name, context)
        write_attributes(span, attributes)
        pipeline = runtime.find_active_pipeline()
        is_recorded = pipeline is not None and pipeline.settings.export == "greenflash"
        runtime.note_outcome_span(span, pipeline if is_recorded else None)
        span.end()


def _choose_id(argument: Id | None, active: str | None) -> Id | None:
    return active if argument is None else argument


def _get_active_trace_id() -> str | None:
    span_context = trace.get_current_span().get_span_context()
    return format_trace_id(span_context.trace_id) if span_context.is_valid else None


def _report(function: str, value: object, repairs: Repairs, strict: bool | None) -> None:
    report(function, repairs, InvalidFeedbackError, strict=strict, is_usable=value is not None)
    if value is None:
        internal_errors.count_lost("unusable_arguments")


def _identify(function: str, identity: F, span_name: str) -> F:
    """Record a user or an organization, which belongs to no conversation."""

    def take(pipeline: Pipeline) -> F:
        pipeline.take_feedback(identity)
        return identity

    _deliver(function, identity, take)
    if runtime.travels_as_span():
        _make_span(span_name, identity_span.attributes_of(identity), is_elsewhere=True)
    return identity


def _deliver(function: str, thing: T, deliver: Callable[[Pipeline], S]) -> T | S:
    """Hand a thing to the pipeline, and return it as the pipeline recorded it."""
    pipeline, ended = runtime.find_active_pipeline(), runtime.find_ended_pipeline()
    if pipeline is None and ended is not None and ended.settings.export == "greenflash":
        with internal_errors.guarded(f"record what {function} was called with", lost="not_recorded"):
            if not ended.take_late(thing):
                internal_errors.warn_once(f"{function} was called after shutdown(); it could not be stored")
    elif pipeline is None:
        internal_errors.warn_once(
            f"{function} was called before instrument(); it is only visible as a span", page="symptoms"
        )
    elif pipeline.settings.export == "greenflash":
        with internal_errors.guarded(f"record what {function} was called with", lost="not_recorded"):
            return deliver(pipeline)
    return thing
