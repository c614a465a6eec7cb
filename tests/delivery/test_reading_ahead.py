"""The writer and the senders share what was read ahead: each touches it under the lock only."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from greenflash_otel.delivery.contents import ReadAhead
from greenflash_otel.delivery.outbox import Outbox
from tests.delivery.fakes import messages


class _Observed(deque[ReadAhead]):
    """Notes of each walk through it whether another thread could change it meanwhile."""

    def __init__(self, lock: threading.RLock) -> None:
        super().__init__()
        self._lock = lock
        self.could_change: list[bool] = []

    def __iter__(self) -> Iterator[ReadAhead]:
        other = threading.Thread(target=self._try)
        other.start()
        other.join()
        return super().__iter__()

    def _try(self) -> None:
        got = self._lock.acquire(blocking=False)
        self.could_change.append(got)
        if got:
            self._lock.release()


def test_the_writer_measures_what_is_read_ahead_under_the_lock(tmp_path: Path) -> None:
    """Otherwise a sender that takes an entry at that moment breaks the walk, and the claim fails."""
    outbox = Outbox(tmp_path)
    outbox._contents.ahead = observed = _Observed(outbox._contents.lock)
    outbox.put([messages("one", "a"), messages("two", "b")])
    assert outbox.claim_next(0.0) is not None
    assert observed.could_change
    assert not any(observed.could_change)
    outbox.close()
