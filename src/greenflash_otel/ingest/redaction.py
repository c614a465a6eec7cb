"""What is told, and what waits until it can be, with every text redacted as the application wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

from greenflash_otel import internal_errors
from greenflash_otel.conversations.persistence import Waiting
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.model.operation import Json, PromptTemplate
from greenflash_otel.model.telemetry import Attributes, LogRecord, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome, attributes_of
from greenflash_otel.outcomes.outcome import read as read_outcome
from greenflash_otel.outcomes.ratings import Organization, Rating, User
from greenflash_otel.redaction.operations import redacted_operation
from greenflash_otel.redaction.redact import Redact, redacted

Feedback: TypeAlias = Rating | User | Organization

_IN_A_MESSAGE = ("content", "input", "output", "context", "properties")
SAID = "messages.content"
"""The path of whatever may be a text of a message."""
_NAMING = ("name", "system", "role", "id", "model")
"""How attributes are called that hold no text of a message."""


class Redaction:
    """Applies a redaction function; without one, everything stays as it is."""

    def __init__(self, redact: Redact | None) -> None:
        self._redact = redact

    def update(self, update: ConversationUpdate) -> ConversationUpdate:
        """What is told of a conversation."""
        if self._redact is None:
            return update
        return replace(
            update,
            system_prompt=self._clean(update.system_prompt, "system_prompt"),
            prompt=update.prompt and self._prompt(update.prompt),
            properties=self._clean(update.properties, "properties"),
            messages=tuple(self._message(message) for message in update.messages),
        )

    def outcome(self, outcome: Outcome) -> Outcome:
        """An outcome."""
        if self._redact is None:
            return outcome
        properties = self._clean(outcome.properties, "outcome.properties")
        return replace(outcome, value=self._clean(outcome.value, "outcome.value"), properties=properties)

    def feedback(self, told: Feedback) -> Feedback:
        """What was told of a conversation or a user."""
        if self._redact is None:
            return told
        if isinstance(told, Rating):
            return replace(told, feedback=self._clean(told.feedback, "rating.feedback"))
        kind = "user" if isinstance(told, User) else "organization"
        return replace(told, properties=self._clean(told.properties, f"{kind}.properties"))

    def properties(self, properties: Mapping[str, Json]) -> Mapping[str, Json]:
        """Redact what is remembered of a conversation's properties."""
        return properties if self._redact is None else self._clean(properties, "properties")

    def waiting(self, waiting: Waiting) -> Waiting:
        """What rests on disk until it can be told. It goes through redaction once more then.

        Any text of a span or a log record that has not been read yet has the path ``messages.content``.
        """
        if self._redact is None:
            return waiting
        if isinstance(waiting, LogRecord):
            body = self._said(waiting.body)
            return replace(waiting, body=body, attributes=self._attributes(waiting.attributes))
        if not isinstance(waiting, SpanRecord):
            return replace(waiting, operation=redacted_operation(waiting.operation, self._clean))
        if outcome := read_outcome(waiting):
            return replace(waiting, attributes=attributes_of(self.outcome(outcome)))
        events = [replace(one, attributes=self._attributes(one.attributes)) for one in waiting.events]
        return replace(
            waiting,
            attributes=self._attributes(waiting.attributes),
            events=tuple(events),
            status_description=self._said(waiting.status_description),
        )

    def _message(self, message: MessageItem) -> MessageItem:
        fields = {name: self._clean(getattr(message, name), f"messages.{name}") for name in _IN_A_MESSAGE}
        return replace(message, **fields)

    def _prompt(self, prompt: PromptTemplate) -> PromptTemplate:
        return replace(prompt, variables=self._clean(prompt.variables, "system_prompt.variables"))

    def _attributes(self, attributes: Attributes) -> Attributes:
        """Attributes that name something keep that as their path; any other may hold what was said."""
        return {
            name: self._clean(value, f"attributes.{name}") if name.endswith(_NAMING) else self._said(value)
            for name, value in attributes.items()
        }

    def _said(self, value: Any) -> Any:
        redact = cast(Redact, self._redact)
        return redacted(value, SAID, lambda text, _: redact(text, SAID), _failed)

    def _clean(self, value: Any, path: str) -> Any:  # the same type that goes in comes out
        return redacted(value, path, cast(Redact, self._redact), _failed)


def _failed(error: Exception) -> None:
    internal_errors.count("redact a text", error)
