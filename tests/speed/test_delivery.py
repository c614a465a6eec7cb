"""What delivery costs, in counts: SQL statements, commits, and instructions of SQLite."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender
from greenflash_otel.delivery.writer import WRITER, Job
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.state_record import StateRecord
from tests.delivery.fakes import SUCCESS, Wire, messages
from tests.delivery.making import make_delivery
from tests.delivery.test_outbox import claimed
from tests.speed.sql_counting import Statements, steps_of

REQUESTS = 640
PUT_MOST = 1.3
SETTLE_MOST = 1.1
COMMITS_MOST = 2
"""Per 64 deliveries."""
GROWTH_MOST = 1.2
"""Of the work per request, from a backlog of 1,000 entries to one of 100,000."""


def requests_of(count: int) -> list[ApiRequest]:
    """Requests of as many conversations."""
    return [messages(f"c{n}", f"m{n}") for n in range(count)]


def delete_delivered(outbox: Outbox) -> None:
    """Wait until the rows of what was acknowledged are gone."""
    WRITER.wait(WRITER.submit(outbox, Job(lambda entries: entries.contents.delete_acknowledged())))


def settle_all(outbox: Outbox) -> int:
    """Claim and acknowledge everything, and wait until the rows are gone; how many there were."""
    settled = 0
    while (entry := outbox.claim_next(0.0)) is not None:
        outbox.acknowledge(entry)
        settled += 1
    delete_delivered(outbox)
    return settled


def block_writer(outbox: Outbox) -> threading.Event:
    """Keep the writer busy, as a slow disk does, until the event is set."""
    gate, busy = threading.Event(), threading.Event()

    def wait() -> None:
        busy.set()
        gate.wait(60.0)

    outbox.run_later(wait)
    assert busy.wait(60.0)
    return gate


@pytest.mark.parametrize("at_once", [1, 5, 25])
def test_statements_per_request(at_once: int, statements: Statements, tmp_path: Path) -> None:
    """A put needs one statement, a delivery one; the commit is shared."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("first", "m")])
        settle_all(outbox)
        statements.clear()
        requests = requests_of(REQUESTS)
        for at in range(0, REQUESTS, at_once):
            outbox.put(requests[at : at + at_once])
        assert len(statements) <= PUT_MOST * REQUESTS
        statements.clear()
        assert settle_all(outbox) == REQUESTS
        assert len(statements) <= SETTLE_MOST * REQUESTS
        assert statements.commits <= COMMITS_MOST * REQUESTS / 64


def test_statements_of_state_records(statements: Statements, tmp_path: Path) -> None:
    """However many records come with requests, they are few statements more per put."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("first", "m")])
        settle_all(outbox)
        statements.clear()
        for at in range(0, REQUESTS, 16):
            records = [StateRecord(f"{at}-{n}", "x" * 400) for n in range(64)]
            outbox.put([messages(f"c{n}", "m") for n in range(at, at + 16)], records)
        assert len(statements) <= PUT_MOST * REQUESTS
        assert statements.commits == REQUESTS / 16


def test_puts_of_many_threads_share_a_statement(statements: Statements, tmp_path: Path) -> None:
    """What comes while the disk works goes in one commit, and in one insert."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("first", "m")])
        statements.clear()
        gate = block_writer(outbox)
        jobs = [outbox.put_later([request]) for request in requests_of(64)]
        gate.set()
        assert all(WRITER.wait(job, 60.0) for job in jobs)
        assert len(statements) <= 3
        assert statements.commits == 1
        assert settle_all(outbox) == 65


def test_a_whole_delivery(statements: Statements, tmp_path: Path) -> None:
    """The same with the threads that deliver: what is put in batches is sent, settled and deleted."""
    outbox = Outbox(tmp_path)
    worker = make_delivery(outbox, Wire())
    outbox.put([messages("first", "m")])
    assert worker.flush(60.0)
    statements.clear()
    for at in range(0, REQUESTS, 16):
        outbox.put([messages(f"c{n}", "m") for n in range(at, at + 16)])
    assert worker.flush(60.0)
    assert len(statements) <= (PUT_MOST + SETTLE_MOST) * REQUESTS
    assert statements.commits <= REQUESTS / 16 + COMMITS_MOST * REQUESTS / 64
    worker.close(1.0)


def test_a_sender_seldom_waits_for_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds entries in memory, and settles there."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put(requests_of(REQUESTS))
        waited = 0
        wait = WRITER.wait

        def wait_counted(job: Job, timeout_s: float = 60.0) -> bool:
            nonlocal waited
            waited += 1
            return wait(job, timeout_s)

        monkeypatch.setattr(WRITER, "wait", wait_counted)
        sender = Sender(outbox, Wire(), clock=time.monotonic, rng=lambda: 0.5)
        while sender.send_next():
            pass
        assert outbox.get_stats().delivered == REQUESTS
        assert waited <= REQUESTS / 16


def test_settling_waits_for_no_disk(tmp_path: Path) -> None:
    """While the writer is at the disk, senders claim what was read ahead, and settle it."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put(requests_of(16))
        first = outbox.claim_next(0.0)
        assert first is not None
        gate = block_writer(outbox)
        outbox.acknowledge(first)
        for _ in range(15):
            entry = outbox.claim_next(0.0)
            assert entry is not None
            outbox.acknowledge(entry)
        stats = outbox.get_stats()
        gate.set()
        assert (stats.delivered, stats.pending) == (16, 0)


@pytest.mark.parametrize("conversations", [1, 10, 0])
def test_catching_up_does_not_depend_on_the_backlog(
    conversations: int, statements: Statements, tmp_path: Path
) -> None:
    """A hundred deliveries of 100,000 entries take SQLite what a hundred of 1,000 take; also of one conversation."""
    works = []
    for entries in (1_000, 100_000):
        with closing(Outbox(tmp_path / str(entries))) as outbox:
            names = (str(n % conversations) if conversations else str(n) for n in range(entries))
            outbox.put([messages(name, "m") for name in names])
            settle_some(outbox, 64)
            db = outbox._connection.db
            assert db is not None
            statements.clear()
            works.append((steps_of(lambda: settle_some(outbox, 128), db), len(statements)))
    (few_steps, few_statements), (many_steps, many_statements) = works
    assert many_steps <= GROWTH_MOST * few_steps
    assert many_statements <= GROWTH_MOST * few_statements


def settle_some(outbox: Outbox, count: int) -> None:
    """Claim and acknowledge some entries."""
    for _ in range(count):
        outbox.acknowledge(claimed(outbox))
    delete_delivered(outbox)


def test_a_flush_does_not_read_the_backlog(statements: Statements, tmp_path: Path) -> None:
    """How much it waits for is known."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put(requests_of(1_000))
        statements.clear()
        watch = outbox.watch()
        assert watch is not None
        assert watch.left == 1_000
        assert len(statements) == 0


def test_the_next_of_a_queue_is_found_by_its_index(tmp_path: Path) -> None:
    """SQLite goes to the place and sorts nothing."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put(requests_of(3))
        db = outbox._connection.db
        assert db is not None
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT id, body FROM entries WHERE lane = ? AND id > ? ORDER BY id", ("c", 0)
        ).fetchall()
        assert [row[3] for row in plan] == ["SEARCH entries USING INDEX entries_by_lane (lane=? AND rowid>?)"]


def test_one_thread_is_enough_for_a_server_at_hand(tmp_path: Path) -> None:
    """More only wait for each other; a server that takes its time gets more."""
    threads: set[int] = set()
    pause_s = 0.0

    def answer(request: ApiRequest) -> Answer:
        threads.add(threading.get_ident())
        time.sleep(pause_s)
        return SUCCESS

    outbox = Outbox(tmp_path)
    worker = make_delivery(outbox, Wire(answer))
    outbox.put([messages("first", "m")])
    assert worker.flush(60.0)
    for pause_s in (0.0, 0.02):
        threads.clear()
        outbox.put(requests_of(200) if not pause_s else requests_of(100))
        assert worker.flush(60.0)
        if pause_s:
            assert len(threads) > 1
    worker.close(1.0)
