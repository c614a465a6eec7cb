"""Several conversations at once, each in order; more while it goes well, fewer while it does not."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.delivery.delivery import Delivery
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.schedule import MOST, START
from greenflash_otel.delivery.sender import Sender
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.greenflash_api.request import ApiRequest
from tests.delivery.fakes import SUCCESS, Clock, Wire, answers, ids_of, ids_of_all, messages
from tests.delivery.making import make_delivery
from tests.delivery.server import Reply, Server
from tests.delivery.test_delivery import LONG_S

UNAUTHORISED = Answer(401)


class Watching:
    """Answers after a moment, and notes what was out at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.out: Counter[str] = Counter()
        self.most = 0
        self.overlapped = False
        self.sent: list[ApiRequest] = []
        self.company = threading.Barrier(2)

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Wait a little for another request to come, so that those that may overlap do."""
        with self.lock:
            self.sent.append(request)
            self.out[request.conversation_id] += 1
            self.overlapped |= self.out[request.conversation_id] > 1
            self.most = max(self.most, sum(self.out.values()))
        try:
            self.company.wait(0.005)
        except threading.BrokenBarrierError:
            self.company.reset()
        with self.lock:
            self.out[request.conversation_id] -= 1
        return SUCCESS

    def close(self) -> None:
        """Nothing to close."""


def worker_of(outbox: Outbox, client: object) -> Delivery:
    """A worker into whose outbox the test puts by itself."""
    return make_delivery(outbox, client, gather=lambda batch: None)  # type: ignore[arg-type]  # fakes of a transport


def test_conversations_go_out_side_by_side_and_each_in_order() -> None:
    """Never two requests of one conversation at a time, however many threads send."""
    wire = Watching()
    outbox = Outbox(":memory:")
    outbox.put([messages(f"c{i % 7}", f"{i}") for i in range(140)])
    worker = worker_of(outbox, wire)
    assert worker.flush(LONG_S)
    worker.close(1.0)
    assert 1 < wire.most <= MOST
    assert not wire.overlapped
    for conversation in range(7):
        of_it = [request for request in wire.sent if request.conversation_id == f"c{conversation}"]
        assert ids_of_all(of_it) == [str(i) for i in range(140) if i % 7 == conversation]


def test_one_hanging_conversation_does_not_hold_up_the_others() -> None:
    """Its request is out until the timeout; what others say arrives meanwhile."""
    late = threading.Event()
    arrived: list[str] = []
    others = threading.Semaphore(0)

    def answer(request: ApiRequest) -> Answer:
        if request.conversation_id == "hanging":
            late.wait(LONG_S)
        arrived.extend(ids_of(request))
        others.release()
        return SUCCESS

    outbox = Outbox(":memory:")
    worker = worker_of(outbox, Wire(answer))
    outbox.put([messages("hanging", "h")])
    for i in range(20):
        outbox.put([messages("other", str(i))])
        assert others.acquire(timeout=LONG_S)
    assert arrived == [str(i) for i in range(20)]
    late.set()
    assert worker.flush(LONG_S)
    worker.close(1.0)
    assert arrived[-1] == "h"


def test_what_is_postponed_goes_out_in_time_without_a_nudge(server: Server) -> None:
    """The thread on watch learns of a time that is nearer than the one it went to sleep with."""
    server.replies = [Reply(503)] * 3
    outbox = Outbox(":memory:")
    outbox.put([messages(str(i), str(i)) for i in range(3)])
    worker = make_delivery(outbox, Client(server.url, "gf_test"), gather=lambda batch: None, rng=lambda: 0.1)
    deadline = threading.Event()
    while len(server.received) < 6:
        assert not deadline.wait(0.01)
        server.arrived.wait(LONG_S)
    assert worker.flush(LONG_S)
    worker.close(1.0)


def test_no_more_is_out_than_the_window_holds(clock: Clock) -> None:
    """What is claimed and not yet sent counts."""
    outbox = Outbox(":memory:")
    outbox.put([messages(str(i), str(i)) for i in range(10)])
    sender = Sender(outbox, Wire(), clock=clock, rng=lambda: 0.5)
    claimed = [entry for _ in range(10) if (entry := sender.claim_next()) is not None]
    assert len(claimed) == START
    assert sender.pause_s() is None
    sender.send(claimed[0])
    assert sender.pause_s() == 0.0


def test_a_volley_of_refusals_is_one_refusal(clock: Clock) -> None:
    """The next probe comes after one minute, and it is a single one."""
    outbox = Outbox(":memory:")
    outbox.put([messages(str(i), str(i)) for i in range(10)])
    wire = Wire(answers(*[UNAUTHORISED] * START))
    sender = Sender(outbox, wire, clock=clock, rng=lambda: 0.5)
    for entry in [sender.claim_next() for _ in range(START)]:
        assert entry is not None
        sender.send(entry)
    assert sender.pause_s() == 60.0
    clock.now_s += 60.0
    probe = sender.claim_next()
    assert probe is not None
    assert sender.claim_next() is None
    sender.send(probe)
    assert sender.paused is None
    assert sender.claim_next() is not None


def test_what_a_process_left_is_found_while_another_runs(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed neighbour's entries are taken over without a restart, behind ours."""
    mine = Outbox(tmp_path)
    mine.put([messages("one", "a")])
    neighbour = Outbox(tmp_path)
    neighbour.put([messages("one", "b"), messages("two", "c")])
    mine.adopt()
    assert mine.get_stats().pending == 1
    neighbour.close()
    worker = worker_of(mine, Client(server.url, "gf_test"))
    mine.adopt()
    assert mine.get_stats().accepted == 3
    assert worker.flush(LONG_S)
    assert worker.stats().delivered == 3
    worker.close(1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_thread_without_work_looks_for_what_others_left(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every half minute; here more often."""
    monkeypatch.setattr("greenflash_otel.delivery.sender_pool.IDLE_S", 0.01)
    monkeypatch.setattr("greenflash_otel.delivery.delivery.IDLE_S", 0.01)
    neighbour = Outbox(tmp_path)
    neighbour.put([messages("one", "b")])
    with closing(Outbox(tmp_path)) as mine:
        worker = worker_of(mine, Client(server.url, "gf_test"))
        mine.put([messages("two", "a")])
        assert worker.flush(LONG_S)
        server.arrived.clear()
        neighbour.close()
        assert server.arrived.wait(LONG_S)
        worker.close(LONG_S)


def test_a_thread_without_work_does_what_else_there_is_to_do(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise, and also where nothing was ever to be sent."""
    monkeypatch.setattr("greenflash_otel.delivery.sender_pool.IDLE_S", 0.01)
    monkeypatch.setattr("greenflash_otel.delivery.delivery.IDLE_S", 0.01)
    called = threading.Event()
    with closing(Outbox(":memory:")) as mine:
        client = Client(server.url, "gf_test")
        worker = make_delivery(mine, client, gather=lambda _: None, on_idle=called.set)
        worker.submit("tells nothing yet")
        assert called.wait(LONG_S)
        worker.close(LONG_S)
