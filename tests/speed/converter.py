"""Convert spans into memory, as a process with an outbox that inherits nothing does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.state_record import EmptyState, StateRecord
from tests.api.wire import ADDRESS

NOW_NS = 1_800_000_000_000_000_000


class Converter:
    """Converts spans, and remembers what became of them."""

    def __init__(self) -> None:
        self.requests: list[ApiRequest] = []
        self.records: list[StateRecord] = []
        self.conversations = ConversationStore(reader=EmptyState())
        self.ingest = Ingest(self, ADDRESS, conversations=self.conversations, now_ns=lambda: NOW_NS)

    def take(self, spans: Iterable[SpanRecord]) -> None:
        """Convert spans that arrive together."""
        self.ingest.take(spans)

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep what the conversion gives."""
        self.requests += requests
        self.records += notes
        return ()
