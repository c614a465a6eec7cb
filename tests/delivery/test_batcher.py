"""Handing over what was captured: from anywhere, without waiting, and soon on disk."""

from __future__ import annotations

import gc
import signal
import threading
from contextlib import closing
from pathlib import Path

from greenflash_otel.delivery import batcher
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.greenflash_api.client import Client
from tests.delivery.fakes import messages
from tests.delivery.making import make_delivery
from tests.delivery.processes import line_of, process
from tests.delivery.server import Server
from tests.delivery.test_delivery import LONG_S, working


def test_a_full_queue_refuses_and_counts() -> None:
    """The application is never held up."""
    inside, go_on = threading.Event(), threading.Event()
    gathered: list[object] = []

    def gather(batch: list[object]) -> None:
        inside.set()
        go_on.wait(LONG_S)
        gathered.extend(batch)

    worker = make_delivery(Outbox(":memory:"), None, gather=gather, capacity=3)
    assert worker.submit("in hand")
    assert inside.wait(LONG_S)
    assert [worker.submit(i) for i in range(5)] == [True, True, True, False, False]
    go_on.set()
    worker.close(1.0)
    assert gathered == ["in hand", 0, 1, 2]
    assert worker.stats().lost == {"queue_full": 2}
    assert worker.stats().accepted == 2


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
    with working(None) as (worker, gathering):

        class Ending:
            def __init__(self) -> None:
                self.cycle = self

            def __del__(self) -> None:
                worker.submit("collected")

        threshold = gc.get_threshold()
        gc.set_threshold(5)
        try:
            for _ in range(2000):
                Ending()
                worker.submit("main")
        finally:
            gc.set_threshold(*threshold)
        gc.collect()
        worker.ingest_now(LONG_S)
        assert gathering.items.count("collected") == 2000
        assert gathering.items.count("main") == 2000


def test_many_threads_submit() -> None:
    """Nothing is lost between them, and the counts of what is refused add up."""
    worker = make_delivery(Outbox(":memory:"), None, gather=lambda batch: taken.extend(batch), capacity=100)
    taken: list[object] = []
    accepted = [0] * 8

    def submit_some(n: int) -> None:
        accepted[n] = sum(worker.submit(n) for _ in range(2000))

    threads = [threading.Thread(target=submit_some, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worker.close(1.0)
    assert len(taken) == sum(accepted)
    assert sum(worker.stats().lost.values()) == 16_000 - sum(accepted)


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
        assert outbox.counts().pending == 2


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
