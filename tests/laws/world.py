"""Three processes with an outbox each, and one Greenflash that holds what they sent."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path as Folder

from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.emulator.contract import MessagesRequest, read
from greenflash_otel.emulator.store import Store, reading, writing
from greenflash_otel.emulator.stored import StoredConversation, StoredMessage
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.operation import Operation
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.genai import attributes_of
from tests.api.wire import ADDRESS
from tests.laws.stories import Path, Said
from tests.strategies import span_of


def spans_of(calls: Sequence[Operation]) -> list[SpanRecord]:
    """A span for each call, one after the other, each in a trace of its own."""
    return [span_of(attributes_of(call), number=n, trace=n) for n, call in enumerate(calls, 1)]


MEMORY = Folder("/dev/shm")
"""A folder in memory, where a machine has one: nothing here is about disks, and they are slow."""


class World:
    """Processes and Greenflash. Its clock stands still, and its ids count."""

    def __init__(self, processes: int = 1) -> None:
        numbers = itertools.count(1)
        self._store = Store(
            ":memory:", now_us=lambda: 0, new_uuid=lambda: f"00000000-0000-4000-8000-{next(numbers):012}"
        )
        self._root = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
        self._folders = [Folder(self._root) / str(number) for number in range(processes)]
        self._outboxes = [Outbox(each) for each in self._folders]
        self._intakes = [_converter(each) for each in self._outboxes]

    def take(self, spans: Sequence[SpanRecord], process: int = 0) -> None:
        """Spans reach a process."""
        self._intakes[process].take(spans)

    def kill(self, process: int = 0) -> None:
        """A process ends without a word, and another begins with its outbox."""
        self._outboxes[process].close()
        self._outboxes[process] = Outbox(self._folders[process])
        self._intakes[process] = _converter(self._outboxes[process])

    def end(self) -> tuple[StoredConversation, ...]:
        """All processes end as they should, and everything is delivered."""
        for intake, outbox in zip(self._intakes, self._outboxes, strict=True):
            intake.emit_all_waiting()
            while (entry := outbox.claim_next(0.0)) is not None:
                with self._store.change() as change:
                    writing.add_messages(change, read(MessagesRequest, entry.request.body))
                outbox.acknowledge(entry)
            outbox.close()
        found = reading.read_conversations(self._store)
        self._store.close()
        shutil.rmtree(self._root)
        return found


def _converter(outbox: Outbox) -> Ingest:
    return Ingest(outbox, ADDRESS, conversations=ConversationStore(reader=outbox))


def paths_of(conversation: StoredConversation) -> Counter[Path]:
    """Every message with all its parents."""
    messages = {message.external_id: message for message in conversation.messages}

    def path(message: StoredMessage) -> Path:
        parent = messages.get(message.parent_external_id)
        lost: Path = (("lost", ""),) if message.parent_external_id and parent is None else ()
        return (*(path(parent) if parent else lost), _said(message))

    return Counter(path(message) for message in conversation.messages)


def _said(message: StoredMessage) -> Said:
    given = message.content or next(
        value
        for found in (message.input, message.output)
        for name in ("q", "result", "text")
        if isinstance(value := (found or {}).get(name), str)
    )
    return message.type, given


def shown(paths: Counter[Path]) -> str:
    """The same as text."""
    return "\n".join(sorted(" > ".join(" ".join(said) for said in path) for path in paths.elements()))
