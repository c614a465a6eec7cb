"""Make the parts of a pipeline from `Settings`."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.greenflash_api.messages import Address
from greenflash_otel.ingest.conversion import StateStore
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.ingest.notes import NoteStore
from greenflash_otel.ingest.printing import PrintingStore
from greenflash_otel.ingest.process_facts import ProcessFacts
from greenflash_otel.ingest.sampling import Sampler
from greenflash_otel.ingest.spill import SpanSpill
from greenflash_otel.message_ids.ids import key_of
from greenflash_otel.model.telemetry import Attributes
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.settings import MEMORY, Settings


def make_conversation_store(outbox: Outbox, settings: Settings) -> ConversationStore:
    """Make what remembers the conversations."""
    reader = None if settings.outbox == MEMORY else outbox
    return ConversationStore(key_of(settings.id_key), reader, owner=str(settings.product_id))


def make_converter(
    outbox: Outbox, settings: Settings, redact: Redact | None, conversations: ConversationStore
) -> Ingest:
    """Make what turns spans into requests, which go into an outbox."""
    return make_ingest(
        PrintingStore(outbox) if settings.print else outbox, settings, redact, conversations, outbox
    )


def make_ingest(
    store: StateStore,
    settings: Settings,
    redact: Redact | None,
    conversations: ConversationStore,
    shared_notes: NoteStore,
) -> Ingest:
    """Make what turns spans into requests, wherever these go."""
    # What is kept here, Greenflash must not sample once more.
    force_sample = True if _find_rate(settings) < 1 else settings.force_sample
    return Ingest(
        store,
        Address(str(settings.product_id), settings.default_user_id, settings.sample_rate, force_sample),
        redact,
        conversations=conversations,
        sampler=None if settings.keeps_all else _make_sampler(settings, conversations),
        keep_on=settings.keep_on,
        name_wait_s=settings.name_wait_s,
        shared_notes=shared_notes,
        process_facts=ProcessFacts(settings.environment, settings.release, settings.metadata_keys),
    )


def complete_by_resource(settings: Settings, resource: Attributes) -> Settings:
    """Return settings with what only the resource says of where this runs: outcomes have no span to say it."""
    found = ProcessFacts(settings.environment, settings.release).complete(resource)
    return replace(settings, environment=found.environment, release=found.release)


def make_spill(outbox: Outbox, settings: Settings, redact: Redact | None) -> SpanSpill:
    """Make the place where spans wait; what must be redacted, or has no content, never reaches the disk raw."""
    may_use_disk = redact is None and settings.capture_content
    reason = "capture_too_fast" if redact is None else "redaction_too_slow"
    return SpanSpill(outbox, may_use_disk=may_use_disk, reason=reason)


def _make_sampler(settings: Settings, conversations: ConversationStore) -> Sampler:
    always_sampled = conversations.index.always_sampled
    return Sampler(_find_rate(settings), always_sampled, unforced_rate=settings.sample_rate)


def _find_rate(settings: Settings) -> float:
    """Return the share that is retained of the conversations which say nothing of it themselves."""
    return 1.0 if settings.force_sample or settings.sample_rate is None else settings.sample_rate
