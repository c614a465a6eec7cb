"""Turn spans into requests and state records. The one place to change when the library's classes change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.state_record import StateRecord
from tests.api.wire import ADDRESS

NOW_NS = 1_800_000_000_000_000_000
"""The clock, which stands still: nothing that waits becomes overdue by it."""


class State:
    """State records as the outbox keeps them, and all that were ever written."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []
        """Key and text, in order."""
        self._kept: dict[str, list[str]] = {}

    def write(self, records: Iterable[StateRecord]) -> None:
        """Keep records as the outbox does."""
        for record in records:
            kept = self._kept.setdefault(record.key, []) if record.appends else []
            self._kept[record.key] = kept
            if record.value is not None:
                kept.append(record.value)
                self.written.append((record.key, record.value))

    def recall(self, topic: str) -> Sequence[str]:
        """What was written under a key."""
        return list(self._kept.get(topic, ()))

    def expect_recalls(self) -> None:
        """It finds everything anyway."""

    def recall_inherited(self, beginning: str) -> Sequence[str]:
        """What was written under all keys that begin so."""
        return [text for topic, texts in self._kept.items() if topic.startswith(beginning) for text in texts]


class Process:
    """A process that converts spans, from its start to its end.

    Args:
        before: The state that an earlier process left.
    """

    def __init__(self, before: State | None = None) -> None:
        self.state = before or State()
        self.requests: list[ApiRequest] = []
        conversations = ConversationStore(reader=self.state)
        self._converter = Ingest(self, ADDRESS, conversations=conversations, now_ns=lambda: NOW_NS)

    def take(self, spans: Iterable[SpanRecord], logs: Iterable[LogRecord] = ()) -> None:
        """Convert log records, and then spans."""
        self._converter.take_logs(logs)
        self._converter.take(spans)

    def settle(self) -> None:
        """Convert what still waits."""
        self._converter.emit_all_waiting()

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep what the conversion gives, as the outbox would."""
        self.requests += requests
        self.state.write(notes)
        return ()
