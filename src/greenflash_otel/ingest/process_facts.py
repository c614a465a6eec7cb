"""Add to messages and outcomes what the process says of all of them: where it runs, and which release it is.

What a setting does not say, the resource of a span does. Metadata of spans of others is read here, too: those of our
own say what was selected when they were captured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from greenflash_otel.model.operation import ConversationContext, Json, Operation
from greenflash_otel.model.telemetry import ENVIRONMENTS, OURS, RELEASE, Attributes, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.semconv.metadata import read_metadata

_NAMES = frozenset((*ENVIRONMENTS, RELEASE))
"""Attributes of a resource that say it."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the settings say of everything."""

    environment: str | None = None
    release: str | None = None
    metadata_keys: Sequence[str] = ()
    _says_anything: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_says_anything", bool(self.environment or self.release or self.metadata_keys)
        )

    def add_to_operation(self, operation: Operation, span: SpanRecord) -> Operation:
        """Return an operation whose conversation and messages have it; what the application says counts more."""
        if not self._says_anything and _NAMES.isdisjoint(span.resource):
            return operation
        said: dict[str, Json] = {}
        if self.metadata_keys and span.scope != OURS:
            said = read_metadata(span.attributes, self.metadata_keys)
        everywhere = self._read_resource(span.resource)
        if not said and not everywhere:
            return operation
        context: ConversationContext = operation.conversation_context
        return replace(
            operation,
            conversation_context=replace(
                context,
                properties={**everywhere, **context.properties},
                message_properties={**everywhere, **said, **context.message_properties},
            ),
        )

    def add_to_outcome(self, outcome: Outcome) -> Outcome:
        """Return an outcome that has it."""
        everywhere = self._read_resource({})
        return replace(outcome, properties={**everywhere, **outcome.properties}) if everywhere else outcome

    def complete(self, resource: Attributes) -> ProcessFacts:
        """Return the facts with what only a resource says."""
        found = self._read_resource(resource)
        return replace(self, environment=found.get("environment"), release=found.get("release"))

    def _read_resource(self, resource: Attributes) -> dict[str, str]:
        environment, release = self.environment, self.release
        if environment is None and resource:
            environment = next((str(resource[name]) for name in ENVIRONMENTS if resource.get(name)), None)
        if release is None and resource and resource.get(RELEASE):
            release = str(resource[RELEASE])
        if environment is None and release is None:
            return {}
        both = {"environment": environment, "release": release}
        return {name: text for name, text in both.items() if text}
