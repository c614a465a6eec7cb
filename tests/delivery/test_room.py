"""Spans of hundreds of kilobytes wait a little for the disk to make room; nothing else waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from greenflash_otel.delivery import batcher
from greenflash_otel.delivery.outbox import Outbox
from tests.delivery.making import ListSpill, make_delivery
from tests.delivery.test_delivery import LONG_S

BIG = 1000
SMALL = 10


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has room for four big items, and spills beyond one."""
    monkeypatch.setattr(batcher, "ITEM_BYTES", 0)
    monkeypatch.setattr(batcher, "BIG_BYTES", BIG)
    monkeypatch.setattr(batcher, "SPILL_AT_BYTES", BIG)
    monkeypatch.setattr(batcher, "MOST_BYTES", 4 * BIG)


class DiskSpill(ListSpill):
    """Counts as a disk, and stores when it may."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.may_store = threading.Event()
        self.begun = threading.Event()

    def is_on_disk(self) -> bool:
        """It counts as one."""
        return True

    def store(self, items: Sequence[Any]) -> int:
        """Keep items as soon as the disk works."""
        self.begun.set()
        self.may_store.wait(LONG_S)
        return super().store(items)


def test_more_than_memory_holds_comes_at_once() -> None:
    """Each waits until there is room: nothing is lost, everything comes in its order."""
    outbox = Outbox(":memory:")
    spill = DiskSpill(outbox)
    spill.may_store.set()
    gathered: list[object] = []
    worker = make_delivery(outbox, None, gather=gathered.extend, spill=spill)
    assert all(worker.submit(item, BIG) for item in range(500))
    worker.close(LONG_S)
    assert gathered == list(range(500))
    assert worker.stats().lost == {}


@pytest.mark.parametrize(("size", "is_on_disk"), [(SMALL, True), (BIG, False)])
def test_what_is_small_or_has_no_disk_never_waits(
    size: int, is_on_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused at once and counted, while the writer is still at work."""
    outbox = Outbox(":memory:")
    spill = DiskSpill(outbox)
    monkeypatch.setattr(spill, "is_on_disk", lambda: is_on_disk)
    monkeypatch.setattr(batcher, "ROOM_S", LONG_S)
    worker = make_delivery(outbox, None, spill=spill)
    fill(worker.submit, spill)
    assert not worker.submit("refused", size)
    assert not spill.may_store.is_set()
    spill.may_store.set()
    worker.close(LONG_S)
    assert worker.stats().lost == {"no_room": 1}


def test_a_disk_that_is_stuck_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first item waits for its time; the others not at all, until the disk has stored something."""
    outbox = Outbox(":memory:")
    spill = DiskSpill(outbox)
    worker = make_delivery(outbox, None, spill=spill)
    fill(worker.submit, spill)
    monkeypatch.setattr(batcher, "ROOM_S", 0.01)
    assert not worker.submit("waits in vain", BIG)
    monkeypatch.setattr(batcher, "ROOM_S", LONG_S)
    assert not worker.submit("does not wait", BIG)
    spill.may_store.set()
    assert worker.ingest_now(LONG_S)
    assert all(worker.submit(item, BIG) for item in range(50))
    worker.close(LONG_S)
    assert worker.stats().lost == {"no_room": 2}


def fill(submit: Any, spill: DiskSpill) -> None:
    """Fill memory, while what was to be spilled is on its way to a disk that does not work."""
    submit("first", 2 * BIG)
    assert spill.begun.wait(LONG_S)
    for item in range(4):
        submit(item, BIG)
