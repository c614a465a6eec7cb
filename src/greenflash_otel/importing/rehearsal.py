"""Say what an import would send: everything is converted as it would be, and nothing is stored or sent."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.notes import NoNotes
from greenflash_otel.message_ids.ids import key_of
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.pipeline_parts import make_ingest
from greenflash_otel.redaction.presets import find_redact
from greenflash_otel.settings import Settings
from greenflash_otel.state_record import StateRecord


class Rehearsal:
    """What an import hands its records to in place of the pipeline."""

    def __init__(self, settings: Settings) -> None:
        self.requests: Counter[str] = Counter()
        """How many, by kind."""
        self.items: Counter[str] = Counter()
        """How many messages, outcomes and other things they have, by kind of request."""
        self._conversations = sqlite3.connect("", check_same_thread=False)  # a file without a name
        self._conversations.execute("CREATE TABLE conversations (id TEXT PRIMARY KEY) WITHOUT ROWID")
        store = ConversationStore(key_of(settings.id_key), None, owner=str(settings.product_id))
        self._ingest = make_ingest(self, settings, find_redact(settings.redact), store, NoNotes())

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Count requests; refuse none."""
        for request in requests:
            self.requests[request.kind] += 1
            self.items[request.kind] += request.items
            if request.kind == "messages":
                self._conversations.execute(
                    "INSERT OR IGNORE INTO conversations VALUES (?)", (request.conversation_id,)
                )
        return ()

    def take(self, spans: Iterable[SpanRecord]) -> bool:
        """Convert spans."""
        return self._ingest.take(spans)

    def take_logs(self, logs: Iterable[LogRecord]) -> bool:
        """Convert log records."""
        return self._ingest.take_logs(logs)

    def take_outcomes(self, outcomes: Iterable[Outcome]) -> bool:
        """Convert outcomes."""
        for outcome in outcomes:
            self._ingest.take_outcome(outcome, ConversationContext(), None)
        return True

    def deliver_ready(self, timeout_s: float) -> bool:
        """Deliver nothing."""
        return True

    def finish(self) -> int:
        """Convert what still waits; return how many conversations the messages belong to."""
        self._ingest.emit_all_waiting()
        return int(self._conversations.execute("SELECT count(*) FROM conversations").fetchone()[0])

    @property
    def lost(self) -> Counter[str]:
        """What could not be converted, by reason."""
        return self._ingest.lost
