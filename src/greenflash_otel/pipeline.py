"""Intake, outbox, worker and client, built from `Settings` and held together."""

from __future__ import annotations

import importlib
import os
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import cast

import httpx

from greenflash_otel import internal_errors
from greenflash_otel.conversations.store import Memory
from greenflash_otel.delivery import metrics
from greenflash_otel.delivery.delivery import Worker
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.greenflash_api.messages import Address
from greenflash_otel.ingest.ingest import Intake
from greenflash_otel.ingest.sampling import Sampler
from greenflash_otel.message_ids.ids import key_of
from greenflash_otel.model.operation import Affiliation
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Organization, Rating, User
from greenflash_otel.redaction.presets import redactor
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.settings import MEMORY, Settings

Submitted = Callable[[], SpanRecord]
"""A finished span whose conversion is left to the worker."""


class Pipeline:
    """From finished spans to Greenflash. `instrument()` returns the one of the process.

    Raises:
        ConfigurationError: No product id, or a redaction function that cannot be found.
    """

    def __init__(self, settings: Settings, *, http_client: httpx.Client | None = None) -> None:
        if settings.product_id is None:
            raise ConfigurationError(
                "product_id is missing; a pipeline needs the UUID of a Greenflash product"
            )
        self.settings = settings
        self._outbox = Outbox(settings.outbox)
        notebook = None if settings.outbox == MEMORY else self._outbox
        memory = Memory(key_of(settings.id_key), notebook, owner=settings.product_id)
        sampler = _sampler_of(settings, memory)
        # What is kept here, Greenflash must not sample once more.
        force_sample = True if sampler else settings.force_sample
        address = Address(settings.product_id, settings.default_user_id, settings.sample_rate, force_sample)
        client = (
            Client(settings.base_url, settings.api_key, http_client=http_client) if settings.api_key else None
        )
        self._intake = Intake(
            self._outbox,
            address,
            _resolve(settings.redact),
            memory=memory,
            sampler=sampler,
            keep_on=settings.keep_on,
        )
        self._worker = Worker(self._outbox, client, gather=self._gather, patrol=self._intake.tell_overdue)
        _reset_in_children(self._intake)
        metrics.report(self)
        if client is None:
            internal_errors.warn_once(
                f"no GREENFLASH_API_KEY: captured conversations wait in the outbox ({self._where()}) until "
                "there is one"
            )

    def submit(self, span: Submitted) -> None:
        """Hand over a span that just ended. Costs a queue entry; the worker does the rest."""
        self._worker.submit(span)

    def take(self, spans: Iterable[SpanRecord], failed: Counter[str] | None = None) -> bool:
        """Convert and keep spans now: they are in the outbox when this returns True.

        Args:
            failed: Gets the number of spans that could not be converted, by reason; they count as lost.
        """
        kept = self._intake.take(spans, failed=failed)
        self._worker.notify()
        return kept

    def take_logs(self, logs: Iterable[LogRecord], failed: Counter[str] | None = None) -> bool:
        """Convert and keep log records, which belong to spans: as `take`."""
        kept = self._intake.take_logs(logs, failed=failed)
        self._worker.notify()
        return kept

    def take_outcome(self, outcome: Outcome, affiliation: Affiliation, trace_id: str | None) -> Outcome:
        """Keep an outcome now, attached to its conversation; it is in the outbox when this returns."""
        self._worker.gather_now()  # the spans before it say which conversation it belongs to
        outcome = self._intake.take_outcome(outcome, affiliation, trace_id)
        self._worker.notify()
        return outcome

    def take_feedback(self, told: Rating | User | Organization) -> bool:
        """Keep what was told of a conversation or a user; True if it is in the outbox now."""
        self._worker.gather_now()  # it comes behind the messages it is about
        kept = self._intake.take_feedback(told)
        self._worker.notify()
        return kept

    def is_durable(self) -> bool:
        """Tell whether what is kept would survive the end of this process."""
        return self.settings.outbox == MEMORY or self._outbox.is_durable()

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Deliver what was captured so far; True if Greenflash has answered for all of it.

        False when the time ran out, or when deliveries are held: no API key, or one that is refused.
        """
        self._settle()
        return self._worker.flush(timeout_s)

    def shutdown(self, timeout_s: float | None = None, *, settle: bool = True) -> None:
        """Deliver what can be delivered in time and stop; the rest stays in the outbox on disk.

        Args:
            settle: Whether to tell what still waits for what it belongs to. If not, and the outbox is on
                disk, it waits on in the next process.
        """
        if settle or self.settings.outbox == MEMORY:
            self._settle()
        self._worker.close(self.settings.shutdown_timeout_s if timeout_s is None else timeout_s)

    def _settle(self) -> None:
        self._worker.gather_now()
        self._intake.settle()
        self._worker.notify()

    def stats(self) -> Stats:
        """What became of everything captured, in messages and outcomes."""
        return self._worker.stats()

    def _gather(self, batch: list[object]) -> None:
        spans = []
        for submitted in cast("list[Submitted]", batch):
            with internal_errors.guarded("read a span"):
                spans.append(submitted())
        self._intake.take(spans, outcomes=False)

    def _where(self) -> str:
        return "in memory" if self.settings.outbox == MEMORY else self.settings.outbox


def _sampler_of(settings: Settings, memory: Memory) -> Sampler | None:
    if settings.force_sample or settings.sample_rate is None or settings.sample_rate >= 1:
        return None
    return Sampler(settings.sample_rate, memory.notable)


def _resolve(redact: Redact | str | None) -> Redact | None:
    """The redaction function itself, where only its name, or those of presets, were given."""
    if not isinstance(redact, str):
        return redact
    if ":" not in redact:
        return redactor(*(name.strip() for name in redact.split(",")))
    module, _, name = redact.partition(":")
    try:
        return cast(Redact, getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError, ValueError):
        raise ConfigurationError(
            f"redact is {redact!r}, which cannot be imported; write 'module:function'"
        ) from None


def _reset_in_children(intake: Intake) -> None:
    reference = weakref.ref(intake)

    def reset() -> None:
        if (alive := reference()) is not None:
            alive.forget_lock()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)
