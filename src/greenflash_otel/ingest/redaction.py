"""Redact what is sent, and what waits on disk until it can be, as the application wants it.

Texts that people write are redacted, wherever they are: contents, arguments, results, documents, properties,
keys of objects, event types, names of people, organizations and runs. Identifiers are not: ids of
conversations, users, organizations and messages, insert ids, names of models and tools. Greenflash links by
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

from greenflash_otel import internal_errors
from greenflash_otel.conversations.persistence import Waiting
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import Attributes, LogRecord, SpanRecord
from greenflash_otel.outcomes import identity_span, rating_span
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Organization, Rating, User
from greenflash_otel.outcomes.span import attributes_of
from greenflash_otel.outcomes.span import read as read_outcome
from greenflash_otel.redaction.isolation import IsolatedRedact
from greenflash_otel.redaction.operations import redact_operation, redact_prompt, redact_voice
from greenflash_otel.redaction.redact import FAILED, Apply, Redact, redact_value
from greenflash_otel.semconv.genai import SCOPE_ID, TURN_ID

Feedback: TypeAlias = Rating | User | Organization

_MARKS = frozenset({SCOPE_ID, TURN_ID})
_IN_A_MESSAGE = ("content", "input", "output", "context", "properties")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
"""What Greenflash takes for an address. One that redaction made something else of is left out."""
SAID = "messages.content"
"""The path of whatever may be a text of a message."""
_NAMING = ("name", "system", "role", "id", "model")
"""How attributes are called that contain no text of a message."""


class Redaction:
    """Apply a redaction function; without one, everything stays as it is.

    It keeps no state, takes no lock, and may be used on any thread.
    """

    def __init__(self, redact: Redact | None) -> None:
        self._redact = IsolatedRedact(redact) if redact is not None else None

    def update(self, update: ConversationUpdate) -> ConversationUpdate:
        """Redact what a conversation gained."""
        if self._redact is None:
            return update
        return replace(
            update,
            system_prompt=self._clean(update.system_prompt, "system_prompt"),
            prompt=update.prompt and redact_prompt(update.prompt, self._clean),
            properties=self._clean(update.properties, "properties"),
            messages=tuple(self._redact_message(message) for message in update.messages),
            earlier=tuple(map(self.update, update.earlier)),
        )

    def redact_outcome(self, outcome: Outcome) -> Outcome:
        """Redact an outcome: its type, its properties, and its value where that is a text."""
        if self._redact is None:
            return outcome
        value = outcome.value
        return replace(
            outcome,
            event_type=self._clean(outcome.event_type, "outcome.event_type") or FAILED,
            value=self._clean(value, "outcome.value") if outcome.value_type == "text" else value,
            properties=self._clean(outcome.properties, "outcome.properties"),
        )

    def redact_feedback(self, feedback: Feedback) -> Feedback:
        """Redact what was said about a conversation or a user."""
        if self._redact is None:
            return feedback
        if isinstance(feedback, Rating):
            return replace(feedback, feedback=self._clean(feedback.feedback, "rating.feedback"))
        if isinstance(feedback, Organization):
            return replace(
                feedback,
                name=self._clean(feedback.name, "organization.name"),
                properties=self._clean(feedback.properties, "organization.properties"),
            )
        email = self._clean(feedback.email, "user.email")
        return replace(
            feedback,
            name=self._clean(feedback.name, "user.name"),
            email=email if email and EMAIL.fullmatch(email) else None,
            phone=self._clean(feedback.phone, "user.phone"),
            properties=self._clean(feedback.properties, "user.properties"),
        )

    def redact_properties(self, properties: Mapping[str, Json]) -> Mapping[str, Json]:
        """Redact what is remembered of a conversation's properties."""
        return properties if self._redact is None else self._clean(properties, "properties")

    def redact_waiting(self, waiting: Waiting) -> Waiting:
        """Redact what waits on disk. When it no longer waits, it goes through redaction once more.

        Any text of a span or a log record that has not been read yet has the path ``messages.content``.
        """
        if self._redact is None:
            return waiting
        if isinstance(waiting, LogRecord):
            body = self._redact_said(waiting.body)
            return replace(waiting, body=body, attributes=self._redact_attributes(waiting.attributes))
        if not isinstance(waiting, SpanRecord):
            operation = redact_operation(waiting.operation, self._clean)
            return replace(waiting, span=self._redact_names(waiting.span), operation=operation)
        if outcome := read_outcome(waiting):
            return _replace_attributes(waiting, attributes_of(self.redact_outcome(outcome)))
        if rating_span.is_rating(waiting):
            rating, _ = rating_span.read(waiting)
            clean = rating and rating_span.attributes_of(cast(Rating, self.redact_feedback(rating)))
            return _replace_attributes(waiting, clean or {})
        if identity_span.is_identity(waiting):
            identity, _ = identity_span.read(waiting)
            known = identity and identity_span.attributes_of(
                cast("User | Organization", self.redact_feedback(identity))
            )
            return replace(waiting, attributes=known or {})
        events = [
            replace(event, attributes=self._redact_attributes(event.attributes)) for event in waiting.events
        ]
        return replace(
            self._redact_names(waiting),
            attributes=self._redact_attributes(waiting.attributes),
            events=tuple(events),
        )

    def _redact_names(self, span: SpanRecord) -> SpanRecord:
        """Return the span with its own texts redacted: a framework names a span as people named the run."""
        return replace(
            span,
            name=self._clean(span.name, "span.name"),
            status_description=self._redact_said(span.status_description),
        )

    def _redact_message(self, message: MessageItem) -> MessageItem:
        fields = {name: self._clean(getattr(message, name), f"messages.{name}") for name in _IN_A_MESSAGE}
        voice = message.voice and redact_voice(message.voice, self._clean)
        return replace(message, voice=voice, **fields)

    def _redact_attributes(self, attributes: Attributes) -> Attributes:
        """Redact attributes. One that names something has its name as path; any other may be content."""
        return {
            name: self._clean(value, f"attributes.{name}")
            if name.endswith(_NAMING)
            else self._redact_said(value)
            for name, value in attributes.items()
        }

    def _redact_said(self, value: Any) -> Any:
        apply = cast(Apply, self._redact)
        return redact_value(value, SAID, lambda text, _: apply(text, SAID), _report_failure)

    def _clean(self, value: Any, path: str) -> Any:  # the same type that goes in comes out
        return redact_value(value, path, cast(Apply, self._redact), _report_failure)


def _report_failure(error: BaseException) -> None:
    internal_errors.count("redact a text", error)


def _replace_attributes(span: SpanRecord, written: Mapping[str, Any]) -> SpanRecord:
    """Return a span of an outcome or a rating as it is written, with the marks of what it belongs to."""
    marks = {name: value for name, value in span.attributes.items() if name in _MARKS}
    return replace(span, attributes={**marks, **written})
