"""What belongs together and arrives apart: an outcome before its call, log records and their span."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.conversations.deferred import ENTRIES_PER_KEY
from greenflash_otel.conversations.store import WAIT_NS, ConversationStore
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.span import attributes_of as attributes_of_outcome
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.settings import Settings
from greenflash_otel.state_record import StateRecord
from greenflash_otel.testing import Emulator
from tests.api.wire import ADDRESS
from tests.conftest import PRODUCT
from tests.strategies import span_of

SECRET = "4111-1111"
OUTCOME = Outcome("upgrade", "149.00", 1, "insert-1", properties={"card": SECRET})


def hide(text: str, path: str) -> str:
    """A redaction function."""
    return text.replace(SECRET, "[card]")


def outcome(number: int = 1, told: Outcome = OUTCOME) -> SpanRecord:
    """The span of an outcome, whose service knows no conversation."""
    return span_of(attributes_of_outcome(told), number=number)


def call(number: int = 2, answer: str = "Here you are, an umbrella.") -> SpanRecord:
    """A call of the same trace, in another service."""
    said = Message("user", (Text("I need an umbrella."),))
    told = Message("assistant", (Text(answer),))
    prompt = (Text("Answer with a word."),)
    chat = Operation(
        "chat",
        ConversationContext("chat-1", "ada"),
        system_instructions=prompt,
        input=(said,),
        output=(told,),
    )
    return span_of(attributes_of(chat), number=number)


@dataclass
class Kept:
    """A store, and the time."""

    now_ns: int = 10**18
    refuses: bool = False
    requests: list[ApiRequest] = field(default_factory=list)

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep requests, or refuse them."""
        if self.refuses:
            return tuple(requests)
        self.requests += requests
        return ()

    def told(self) -> list[str]:
        """The kinds of requests, each with its conversation."""
        return [f"{request.kind} {request.conversation_id}" for request in self.requests]


@pytest.fixture
def kept() -> Kept:
    """An empty one."""
    return Kept()


@pytest.fixture
def intake(kept: Kept) -> Ingest:
    """What leads there."""
    return Ingest(kept, ADDRESS, now_ns=lambda: kept.now_ns)


@pytest.mark.parametrize("requests", [[[outcome()], [call()]], [[outcome(), call()]]], ids=["two", "one"])
def test_an_outcome_before_its_call(requests: list[list[SpanRecord]], kept: Kept, intake: Ingest) -> None:
    """It waits for the call, in requests of their own or in one, and belongs to its conversation and user."""
    for spans in requests:
        assert intake.take(spans)
    assert kept.told() == ["messages chat-1", "outcome chat-1"]
    assert json.loads(kept.requests[1].body)["externalUserId"] == "ada"


def test_an_outcome_of_no_call(kept: Kept, intake: Ingest) -> None:
    """After a minute it goes without a conversation, also where nothing else comes."""
    intake.take([outcome()])
    kept.now_ns += WAIT_NS - 1
    intake.emit_overdue()
    assert kept.told() == []
    kept.now_ns += 1
    intake.emit_overdue()
    assert kept.told() == ["outcome "]
    intake.emit_all_waiting()
    assert len(kept.told()) == 1


def test_more_outcomes_than_wait(kept: Kept, intake: Ingest) -> None:
    """None of them is lost: those for which there is no room do not wait."""
    many = [outcome(number, replace(OUTCOME, insert_id=str(number))) for number in range(ENTRIES_PER_KEY + 5)]
    intake.take(many)
    assert len(kept.told()) == 5
    intake.emit_all_waiting()
    assert len(kept.told()) == ENTRIES_PER_KEY + 5


def test_an_outcome_that_comes_twice(kept: Kept, intake: Ingest) -> None:
    """A sender that was not answered in time sends it again; it is one."""
    for _ in range(2):
        intake.take([outcome()])
    intake.take([call()])
    assert kept.told() == ["messages chat-1", "outcome chat-1"]


def test_what_the_store_refused_waits_again(kept: Kept, intake: Ingest) -> None:
    """The outcome was in another request than the call, which alone comes again."""
    intake.take([outcome()])
    kept.refuses = True
    assert not intake.take([call()])
    kept.refuses = False
    assert intake.take([call()])
    assert kept.told() == ["messages chat-1", "outcome chat-1"]


def test_an_answer_in_doubt_after_silence(kept: Kept, intake: Ingest) -> None:
    """It is told after a minute in which nothing came; long ago, as what is imported, is no minute."""
    intake.take([call(answer="yes")])
    intake.emit_overdue()
    assert kept.told() == []
    kept.now_ns += 2 * WAIT_NS
    intake.emit_overdue()
    assert kept.told() == ["messages chat-1"]


@contextmanager
def process(folder: Path, redact: Redact | None = None) -> Iterator[tuple[Ingest, Outbox]]:
    """A process that is killed when the block ends: it settles nothing."""
    outbox = Outbox(folder)
    yield Ingest(outbox, ADDRESS, redact, conversations=ConversationStore(reader=outbox)), outbox
    outbox.close()


def sent(outbox: Outbox) -> list[dict[str, Any]]:
    """The bodies that wait, in order; they wait no more."""
    found = []
    while (entry := outbox.claim_next(0.0)) is not None:
        found.append(json.loads(entry.request.body))
        outbox.acknowledge(entry)
    return found


def test_an_outcome_waits_on_in_the_next_process(tmp_path: Path) -> None:
    """On disk it is redacted, and it is told once."""
    with process(tmp_path, hide) as (intake, outbox):
        intake.take([outcome()])
        assert sent(outbox) == []
        assert SECRET.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    with process(tmp_path, hide) as (intake, outbox):
        intake.take([call()])
        _, event = sent(outbox)
        assert (event["externalConversationId"], event["value"]) == ("chat-1", "149.00")
        assert event["properties"]["card"] == "[card]"
    with process(tmp_path, hide) as (intake, outbox):
        intake.emit_all_waiting()
        assert sent(outbox) == []


SPAN = span_of(
    {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.conversation.id": "chat-1"}, number=9
)
QUESTION = LogRecord(
    SPAN.trace_id, SPAN.span_id, "gen_ai.user.message", 5, {"content": f"My card is {SECRET}."}
)
ANSWER = LogRecord(
    SPAN.trace_id,
    SPAN.span_id,
    "gen_ai.choice",
    6,
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "I did not see that."}},
)


BOTH_LOGS, BEFORE, AFTER = [QUESTION, ANSWER], [QUESTION], [ANSWER]
ARRIVING: dict[str, list[SpanRecord | list[LogRecord]]] = {
    "before the span": [BOTH_LOGS, SPAN],
    "after it": [SPAN, BOTH_LOGS],
    "around it": [BEFORE, SPAN, AFTER],
    "one by one": [SPAN, BEFORE, AFTER],
}


@pytest.mark.parametrize("order", ARRIVING)
def test_log_records_wait_on_in_the_next_process(order: str, tmp_path: Path) -> None:
    """Whichever comes first was acknowledged, so it is there when the other comes; told once each."""
    told = []
    for records in ARRIVING[order]:
        with process(tmp_path) as (intake, outbox):
            assert intake.take_logs(records) if isinstance(records, list) else intake.take([records])
            told += [message["content"] for body in sent(outbox) for message in body["messages"]]
    assert told == [f"My card is {SECRET}.", "I did not see that."]


def test_log_records_are_redacted_while_they_wait(tmp_path: Path) -> None:
    """What was said is not on disk as it was said."""
    with process(tmp_path, hide) as (intake, _):
        intake.take_logs(BOTH_LOGS)
        assert SECRET.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    with process(tmp_path, hide) as (intake, outbox):
        intake.take([SPAN])
        (body,) = sent(outbox)
    assert [message["content"] for message in body["messages"]] == [
        "My card is [card].",
        "I did not see that.",
    ]


def test_what_cannot_be_noted_is_not_acknowledged(tmp_path: Path) -> None:
    """An outbox without room takes nothing that has to wait; told again, it waits."""
    outbox = Outbox(tmp_path)
    with closing(outbox):
        intake = Ingest(outbox, ADDRESS, conversations=ConversationStore(reader=outbox))
        db = outbox._connection.db
        assert db is not None
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={pages}")
        many = [replace(QUESTION, time_ns=number, body={"content": "x" * 9_000}) for number in range(9)]
        with pytest.raises(sqlite3.OperationalError):
            intake.take_logs(many)
        db.execute("PRAGMA max_page_count=10000")
        assert intake.take_logs(many)
    with process(tmp_path) as (intake, outbox):
        intake.take([SPAN])
        assert len(sent(outbox)[0]["messages"]) == 9


def test_a_gateway_that_is_started_again(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """What waits when it is told to stop waits on, and is joined by the next one."""
    settings = Settings(
        api_key="key", product_id=PRODUCT, base_url=greenflash_emulator.base_url, outbox=str(tmp_path)
    )
    first = Pipeline(settings)
    first.take([outcome()])
    first.shutdown(settle=False)
    second = Pipeline(settings)
    second.take([call()])
    assert second.flush(10)
    second.shutdown()
    assert [outcome.event_type for outcome in greenflash_emulator.conversation("chat-1").outcomes] == [
        "upgrade"
    ]
