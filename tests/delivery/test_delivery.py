"""The worker with its thread, against a real server."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from greenflash_otel.delivery.delivery import Delivery
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.greenflash_api.client import Client
from tests.delivery.fakes import Wire, messages, outcome
from tests.delivery.making import make_delivery
from tests.delivery.processes import output_of
from tests.delivery.server import Reply, Server
from tests.delivery.test_outbox import claimed

LONG_S = 60.0
"""More than any of these tests may take."""


@dataclass
class Gathering:
    """Puts one message into the outbox per submitted item, as the intake does."""

    outbox: Outbox
    batches: list[list[object]] = field(default_factory=list)

    def __call__(self, batch: list[object]) -> None:
        """Convert a batch."""
        self.batches.append(batch)
        self.outbox.put([messages("chat-42", str(item)) for item in batch])

    @property
    def items(self) -> list[object]:
        """All that was gathered, in order."""
        return [item for batch in self.batches for item in batch]


@contextmanager
def working(
    server: Server | None, path: str | Path = ":memory:", rng: Callable[[], float] = lambda: 0.0
) -> Iterator[tuple[Delivery, Gathering]]:
    """A worker that sends to a server, or has no API key; closed at the end."""
    outbox = Outbox(path)
    gathering = Gathering(outbox)
    client = Client(server.url, "gf_test") if server is not None else None
    worker = make_delivery(outbox, client, gather=gathering, rng=rng)
    try:
        yield worker, gathering
    finally:
        worker.close(1.0)


def promptly(flush: Callable[[float], bool]) -> bool:
    """What a flush says that may take a minute, but has no reason to."""
    began_s = time.monotonic()
    result = flush(LONG_S)
    assert time.monotonic() - began_s < LONG_S / 4
    return result


def test_what_is_submitted_is_delivered(server: Server) -> None:
    """All of it, in order, once each."""
    with working(server) as (worker, gathering):
        assert all(worker.submit(i) for i in range(1000))
        assert worker.flush(LONG_S)
        assert gathering.items == list(range(1000))
        assert max(map(len, gathering.batches)) <= 256
        assert worker.stats() == Stats(accepted=1000, delivered=1000)
    assert [received.body for received in server.received] == [
        messages("chat-42", str(i)).body for i in range(1000)
    ]


def test_what_is_put_is_delivered_when_told_of(server: Server) -> None:
    """`record_outcome` puts by itself and then says so; nobody has to flush."""
    with working(server) as (_, gathering):
        gathering.outbox.put([outcome("chat-42", "o")])
        assert server.arrived.wait(LONG_S)


def test_a_submitted_item_needs_no_flush(server: Server) -> None:
    """The thread gathers and sends by itself, also after it has slept."""
    with working(server) as (worker, _):
        for item in ("a", "b"):
            worker.submit(item)
            assert server.arrived.wait(LONG_S)
            server.arrived.clear()


def test_what_an_earlier_process_left_needs_no_new_work(server: Server, tmp_path: Path) -> None:
    """The worker starts by itself where something waits."""
    earlier = Outbox(tmp_path)
    earlier.put([messages("chat-42", "a")])
    earlier.close()
    with working(server, tmp_path):
        assert server.arrived.wait(LONG_S)


def test_gathering_now_waits_for_what_is_in_hand() -> None:
    """An outcome sees the spans that ended before it, though the thread may have taken them already."""
    with working(None) as (worker, gathering):
        for i in range(2000):
            worker.submit(i)
            worker.ingest_now(LONG_S)
            assert len(gathering.items) == i + 1


def test_without_a_key_everything_is_kept(tmp_path: Path) -> None:
    """It is gathered and stays on disk; flush says so at once."""
    with working(None, tmp_path) as (worker, _):
        worker.submit("a")
        assert not promptly(worker.flush)
        stats = worker.stats()
        assert (stats.accepted, stats.pending) == (1, 1)
        assert stats.paused is not None
        assert stats.paused.reason == "no API key"
    with working(None, tmp_path) as (worker, _):
        assert worker.stats().pending == 1


def test_flush_with_nothing_to_do_is_true() -> None:
    """Also without an API key."""
    with working(None) as (worker, _):
        assert worker.flush(0.0)


def test_flush_does_not_wait_for_a_hold(server: Server) -> None:
    """A person has to act first."""
    server.default = Reply(401, b"{}")
    with working(server) as (worker, _):
        worker.submit("a")
        assert not promptly(worker.flush)
        assert str(worker.stats().paused).startswith("HTTP 401")
        assert not promptly(worker.flush)
    assert len(server.received) == 1


def test_flush_does_not_wait_for_what_comes_too_late(server: Server) -> None:
    """The server wants an hour of silence."""
    server.default = Reply(429, b"{}", {"Retry-After": "3600"})
    with working(server) as (worker, _):
        worker.submit("a")
        assert not promptly(worker.flush)
        assert not promptly(worker.flush)
    assert len(server.received) == 1


def test_flush_tries_at_once_what_was_postponed(server: Server) -> None:
    """A backoff of our own is no reason to lose what a process is about to leave behind."""
    server.replies = [Reply(503)]
    with working(server, rng=lambda: 1000.0) as (worker, _):
        worker.submit("a")
        was_refused_before = promptly(worker.flush)  # else while this flush waited, which then knows enough
        assert was_refused_before or promptly(worker.flush)
    assert len(server.received) == 2


def test_flush_keeps_to_its_time(server: Server) -> None:
    """While a request is unanswered nobody knows; when the time is up, the answer is no."""
    late = threading.Event()
    server.replies = [Reply(wait_for=late)]
    with working(server) as (worker, _):
        worker.submit("a")
        assert not worker.flush(0.05)
        late.set()
        assert worker.flush(LONG_S)


def test_flush_is_about_what_came_before_it(server: Server) -> None:
    """What others submit meanwhile does not make it wait."""
    with working(server) as (worker, _):
        stop = threading.Event()

        def keep_submitting() -> None:
            while not stop.wait(0.0001):
                worker.submit("x")

        thread = threading.Thread(target=keep_submitting)
        thread.start()
        assert promptly(worker.flush)
        stop.set()
        thread.join()


def test_close_gathers_even_without_time(tmp_path: Path, server: Server) -> None:
    """What was submitted is on disk, whether or not it could be sent."""
    server.default = Reply(503)
    with working(server, tmp_path) as (worker, _):
        for i in range(600):
            worker.submit(i)
        worker.close(0.0)
        assert worker.stats().accepted == 600
        assert not worker.submit("late")
        assert worker.stats().lost == {"closed": 1}
    with working(None, tmp_path) as (worker, _):
        assert worker.stats().pending == 600


def test_close_delivers_what_it_can(server: Server, tmp_path: Path) -> None:
    """Then nothing is left behind."""
    with working(server, tmp_path) as (worker, _):
        worker.submit("a")
        worker.close(LONG_S)
        assert worker.stats() == Stats(accepted=1, delivered=1)
        assert worker.flush(0.0)
    assert list(tmp_path.iterdir()) == []


def test_an_unanswered_request_is_not_lost_by_closing(server: Server, tmp_path: Path) -> None:
    """Its answer comes too late to be believed: the next process sends it again, with the same bytes."""
    late = threading.Event()
    server.replies = [Reply(wait_for=late)]
    with working(server, tmp_path) as (worker, _):
        worker.submit("a")
        assert server.arrived.wait(LONG_S)
        worker.close(0.0)
        late.set()
        assert worker.stats().pending == 1
    outbox = Outbox(tmp_path)
    assert claimed(outbox).request.body == server.received[0].body
    outbox.close()


def test_where_no_thread_can_be_started(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the interpreter, flush and close do the work on the thread that calls them."""

    def refuse(*_: object) -> int:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    server.replies = [Reply(503), Reply(503)]
    with working(server) as (worker, _):
        assert worker.submit("a")
        assert worker.flush(LONG_S)
        assert worker.submit("b")
        worker.close(LONG_S)
        assert worker.stats() == Stats(accepted=2, delivered=2)


def test_the_client_is_closed_with_the_worker() -> None:
    """Whether or not a thread was ever started."""
    for submits in (0, 1):
        wire = Wire()
        worker = make_delivery(Outbox(":memory:"), wire, gather=lambda batch: None)
        for _ in range(submits):
            worker.submit("a")
        worker.close(LONG_S)
        worker.close(LONG_S)
        assert wire.closed


PROGRAM = """
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.delivery.delivery import Delivery
from tests.delivery.making import make_delivery
import atexit
outbox = Outbox(sys.argv[2])
worker = make_delivery(outbox, Client(sys.argv[1], "gf_test"),
    gather=lambda batch: outbox.put([messages("chat", str(item)) for item in batch]))
"""


def test_a_process_that_ends_delivers(server: Server) -> None:
    """At exit, when the interpreter may no longer start the thread it did not need before."""
    script = (
        f"{PROGRAM}\natexit.register(lambda: (worker.submit('a'), worker.close(30), print(worker.stats())))"
    )
    assert output_of(script, server.url, ":memory:") == str(Stats(accepted=1, delivered=1))


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_parent_and_child_both_deliver(where: str, server: Server, tmp_path: Path) -> None:
    """Each what it captured, once: the child has a thread, a queue, a file and connections of its own."""
    script = f"""{PROGRAM}
worker.submit("before")
assert worker.flush(30)
worker.submit("parent, in the queue")
if (child := os.fork()) == 0:
    worker.submit("child")
    assert worker.flush(30), str(worker.stats())
    worker.close(30)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert worker.flush(30)
worker.close(30)
print(worker.stats())
"""
    path = ":memory:" if where == "memory" else tmp_path
    assert output_of(script, server.url, path) == str(Stats(accepted=2, delivered=2))
    texts = ["before", "child", "parent, in the queue"]
    assert sorted(received.body for received in server.received) == sorted(
        messages("chat", text).body for text in texts
    )
    assert list(tmp_path.iterdir()) == []
