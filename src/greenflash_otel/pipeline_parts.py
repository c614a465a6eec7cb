"""Make the parts of a pipeline from `Settings`."""

from __future__ import annotations

from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.greenflash_api.messages import Address
from greenflash_otel.ingest.conversion import StateStore
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.ingest.notes import NoteStore
from greenflash_otel.ingest.printing import PrintingStore
from greenflash_otel.ingest.sampling import Sampler
from greenflash_otel.ingest.spill import SpanSpill
from greenflash_otel.message_ids.ids import key_of
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
    sampler = _make_sampler(settings, conversations)
    # What is kept here, Greenflash must not sample once more.
    force_sample = True if sampler else settings.force_sample
    return Ingest(
        store,
        Address(str(settings.product_id), settings.default_user_id, settings.sample_rate, force_sample),
        redact,
        conversations=conversations,
        sampler=sampler,
        keep_on=settings.keep_on,
        name_wait_s=settings.name_wait_s,
        shared_notes=shared_notes,
    )


def make_spill(outbox: Outbox, settings: Settings, redact: Redact | None) -> SpanSpill:
    """Make the place where spans wait; what must be redacted, or has no content, never reaches the disk raw."""
    may_use_disk = redact is None and settings.capture_content
    reason = "capture_too_fast" if redact is None else "redaction_too_slow"
    return SpanSpill(outbox, may_use_disk=may_use_disk, reason=reason)


def _make_sampler(settings: Settings, conversations: ConversationStore) -> Sampler | None:
    if settings.force_sample or settings.sample_rate is None or settings.sample_rate >= 1:
        return None
    return Sampler(settings.sample_rate, conversations.index.always_sampled)
