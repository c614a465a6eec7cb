"""Handing over what was captured: from anywhere, without waiting, and soon on disk."""

from __future__ import annotations

import gc
import signal
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from greenflash_otel.delivery import batcher
from greenflash_otel.delivery.batcher import ITEM_BYTES
from greenflash_otel.delivery.delivery import Delivery
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.greenflash_api.client import Client
from tests.collector.running import until
from tests.delivery.fakes import messages
from tests.delivery.making import ListSpill, make_delivery
from tests.delivery.processes import line_of, process
from tests.delivery.server import Server
from tests.delivery.test_delivery import LONG_S, working


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has room for about 40 items, and spills beyond 20."""
    monkeypatch.setattr(batcher, "SPILL_AT_BYTES", 20 * ITEM_BYTES)
    monkeypatch.setattr(batcher, "MOST_BYTES", 40 * ITEM_BYTES)


@dataclass
class Blocking:
    """Gathers nothing before it may."""

    items: list[object] = field(default_factory=list)
    inside: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, batch: list[object]) -> None:
        """Gather."""
        self.inside.set()
        self.go_on.wait(LONG_S)
        self.items.extend(batch)


@pytest.mark.usefixtures("small")
def test_what_memory_has_no_room_for_is_spilled_and_comes_in_order() -> None:
    """The application is never held up; more than memory holds is ingested, each item in its turn."""
    blocking, outbox = Blocking(), Outbox(":memory:")
    spill = ListSpill(outbox)
    worker = make_delivery(outbox, None, gather=blocking, spill=spill)
    assert worker.submit("in hand")
    assert blocking.inside.wait(LONG_S)
    for item in range(1000):
        assert worker.submit(item)
        spilled(worker)
    assert spill.stored > 900
    blocking.go_on.set()
    worker.close(LONG_S)
    assert blocking.items == ["in hand", *range(1000)]
    assert worker.stats().lost == {}


@pytest.mark.usefixtures("small")
def test_what_has_room_nowhere_is_refused_and_counted() -> None:
    """The newest, under the spill's reason; what was there stays in order."""
    blocking, outbox = Blocking(), Outbox(":memory:")
    worker = make_delivery(outbox, None, gather=blocking, spill=ListSpill(outbox, room=100))
    assert worker.submit("in hand")
    assert blocking.inside.wait(LONG_S)
    for item in range(1000):
        worker.submit(item)
        spilled(worker)
    blocking.go_on.set()
    worker.close(LONG_S)
    kept = blocking.items[1:]
    assert 100 <= len(kept) <= 140
    assert kept[:100] == list(range(100))
    assert worker.stats().lost == {"no_room": 1000 - len(kept)}
    assert worker.stats().accepted == 1000 - len(kept)


@pytest.mark.usefixtures("small")
def test_what_is_spilled_while_the_thread_looks_into_the_spill() -> None:
    """It found nothing there, then much comes at once: the newest must not overtake what was spilled."""
    outbox = Outbox(":memory:")
    gathered: list[object] = []

    class Late(ListSpill):
        """Looks empty, and is full when the caller acts on that."""

        def __init__(self, outbox: Outbox) -> None:
            super().__init__(outbox)
            self.flooded = False

        def fetch(self) -> tuple[list[object], int]:
            """Return what is there; then much comes before the caller knows."""
            found = super().fetch()
            if not self.flooded and not found[0]:
                self.flooded = True
                for item in range(1, 60):
                    worker.submit(item)
                    spilled(worker)
            return found

    worker = make_delivery(outbox, None, gather=gathered.extend, spill=Late(outbox))
    worker.submit(0)
    assert worker.ingest_now(LONG_S)
    while len(gathered) < 60:
        assert worker.ingest_now(LONG_S)
    worker.close(LONG_S)
    assert gathered == list(range(60))


@pytest.mark.usefixtures("small")
def test_an_outcome_waits_for_the_spans_before_it_also_on_disk() -> None:
    """However much there is."""
    blocking, outbox = Blocking(), Outbox(":memory:")
    worker = make_delivery(outbox, None, gather=blocking, spill=ListSpill(outbox))
    worker.submit("in hand")
    assert blocking.inside.wait(LONG_S)
    works = []
    for item in range(400):
        worker.submit(item)
        if item % 100 == 99:
            works.append(worker.run_behind(lambda: len(blocking.items)))
        spilled(worker)
    blocking.go_on.set()
    assert all(worker.batcher.wait(work, LONG_S) for work in works)
    for before, work in zip((100, 200, 300, 400), works, strict=True):
        assert work.result > before
    worker.close(LONG_S)


def spilled(worker: Delivery) -> None:
    """Wait for what is on its way to the spill."""
    if (ticket := worker.batcher._spill_ticket) is not None:
        assert ticket.wait(LONG_S)


def test_gathering_that_fails_costs_its_batch_only(server: Server) -> None:
    """It is counted, and the worker goes on."""
    outbox = Outbox(":memory:")

    def gather(batch: list[object]) -> None:
        if "bad" in batch:
            raise ZeroDivisionError
        outbox.put([messages("chat-42", str(item)) for item in batch])

    worker = make_delivery(outbox, Client(server.url, "gf_test"), gather=gather)
    worker.submit("bad")
    worker.ingest_now(LONG_S)
    worker.submit("good")
    assert worker.flush(LONG_S)
    assert worker.stats() == Stats(accepted=2, delivered=1, lost={"ingest_failed": 1})
    worker.close(1.0)


def test_submitting_in_signal_handlers() -> None:
    """However the handler interrupts its own like, nothing hangs and nothing is lost."""
    with working(None) as (worker, gathering):
        in_handler: list[bool] = []

        def handle(_number: int, _frame: object) -> None:
            in_handler.append(worker.submit("signal"))  # not += on a number: it may be interrupted in between

        before = signal.signal(signal.SIGALRM, handle)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
            submitted = sum(worker.submit("main") for _ in range(9000))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        worker.ingest_now(LONG_S)
        assert any(in_handler)
        assert gathering.items.count("main") == submitted
        assert gathering.items.count("signal") == sum(in_handler)


def test_submitting_while_garbage_is_collected() -> None:
    """A span may end in ``__del__``, wherever the collector happens to run."""
    ended: list[None] = []
    with working(None) as (worker, gathering):

        class Ending:
            def __init__(self) -> None:
                self.cycle = self

            def __del__(self) -> None:
                worker.submit("collected")
                ended.append(None)

        threshold = gc.get_threshold()
        gc.set_threshold(5)
        try:
            for _ in range(2000):
                Ending()
                worker.submit("main")
        finally:
            gc.set_threshold(*threshold)
        # `gc.collect` does nothing while another thread is in a collection, which then submits later.
        until(lambda: gc.collect() >= 0 and len(ended) == 2000, "all are collected")
        worker.ingest_now(LONG_S)
        assert gathering.items.count("collected") == 2000
        assert gathering.items.count("main") == 2000


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("room", [100, 1_000_000])
def test_many_threads_submit(room: int) -> None:
    """Nothing is lost between them, each keeps its order, and the counts of what is refused add up."""
    outbox = Outbox(":memory:")
    taken: list[tuple[int, int]] = []
    worker = make_delivery(outbox, None, gather=taken.extend, spill=ListSpill(outbox, room))

    def submit_some(n: int) -> None:
        for i in range(2000):
            worker.submit((n, i))

    threads = [threading.Thread(target=submit_some, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worker.close(LONG_S)
    for n in range(8):
        of_one = [i for thread, i in taken if thread == n]
        assert of_one == sorted(set(of_one))
    assert sum(worker.stats().lost.values()) == 16_000 - len(taken)


HANGING = """
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.delivery.delivery import Delivery
from tests.delivery.making import make_delivery
from tests.delivery.server import Reply, Server
import threading
outbox = Outbox(sys.argv[1])
on_disk = threading.Semaphore(0)
def gather(batch):
    outbox.put([messages("chat", str(item)) for item in batch])
    on_disk.release()
with Server().running() as server:
    server.default = Reply(wait_for=threading.Event())
    worker = make_delivery(outbox, Client(server.url, "gf_test"), gather=gather)
    worker.submit("out")
    assert server.arrived.wait(30) and on_disk.acquire(timeout=30)
    worker.submit("while it is out")
    assert on_disk.acquire(timeout=30)
    print("on disk", flush=True)
    threading.Event().wait()
"""


def test_what_is_captured_is_on_disk_while_greenflash_hangs(tmp_path: Path) -> None:
    """Whatever the network does; a kill then costs nothing."""
    with process(HANGING, tmp_path) as running:
        assert line_of(running) == "on disk"
    with closing(Outbox(tmp_path)) as outbox:
        assert outbox.get_stats().pending == 2


def test_a_first_item_waits_for_company_and_no_longer_than_promised() -> None:
    """A batch shares one commit; the promise is a tenth of a second, the commit included."""
    assert batcher.LINGER_S < 0.1
    batches: list[int] = []
    done = threading.Event()

    def gather(batch: list[object]) -> None:
        batches.append(len(batch))
        if sum(batches) == 100:
            done.set()

    worker = make_delivery(Outbox(":memory:"), None, gather=gather)
    for item in range(100):
        worker.submit(item)
    assert done.wait(LONG_S)
    worker.close(1.0)
    assert len(batches) <= 2
