"""Make a `Delivery` whose ingest is a function of the test, and whose spill keeps everything in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from greenflash_otel.delivery.batcher import BATCH, Work
from greenflash_otel.delivery.delivery import Delivery
from greenflash_otel.delivery.destination import Destination
from greenflash_otel.delivery.opening import open_outbox
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Transport
from greenflash_otel.delivery.threads import Ticket
from greenflash_otel.greenflash_api.request import ApiRequest


class ListSpill:
    """Keeps what is spilled in a list, up to a number."""

    reason = "no_room"

    def __init__(self, outbox: Outbox, room: int = 1_000_000) -> None:
        self._outbox = outbox
        self._room = room
        self.items: deque[Any] = deque()
        self.stored = 0

    def store(self, items: Sequence[Any]) -> int:
        """Keep items while there is room."""
        kept = items[: max(self._room - len(self.items), 0)]
        self.items.extend(kept)
        self.stored += len(kept)
        return len(items) - len(kept)

    def fetch(self) -> tuple[list[Any], int]:
        """Return the oldest."""
        return [self.items.popleft() for _ in range(min(BATCH, len(self.items)))], 0

    def find_last_id(self) -> int:
        """Return how many were ever stored."""
        return self.stored

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self.items

    def is_on_disk(self) -> bool:
        """It is not."""
        return False

    def begin_in_child(self) -> None:
        """Start empty."""
        self.items.clear()

    def run_later(self, act: Callable[[], None]) -> Ticket:
        """Have the writer do something."""
        return self._outbox.run_later(act)


def make_delivery(
    outbox: Outbox,
    client: Transport | None,
    *,
    gather: Callable[[list[Any]], object] = lambda batch: None,
    spill: ListSpill | None = None,
    **options: Any,
) -> Delivery:
    """A delivery that ingests with a function of the test.

    Args:
        gather: Is given the items of a batch, without the work that somebody waits for.
    """

    def process(items: list[Any], _up_to_id: int) -> None:
        if batch := [item for item in items if not isinstance(item, Work)]:
            gather(batch)
        for item in items:
            if isinstance(item, Work) and item.claim_first():
                item.result = item.act()

    return Delivery(outbox, client, process=process, spill=spill or ListSpill(outbox), **options)


def outbox_for(root: Path, base_url: str, product_id: str) -> Outbox:
    """The outbox of a destination in a root folder, as a pipeline opens it."""
    return open_outbox(str(root), Destination(base_url, product_id))


def leave(root: Path, base_url: str, product_id: str, *requests: ApiRequest) -> None:
    """Leave requests in a root folder, as a process does that was killed."""
    with closing(outbox_for(root, base_url, product_id)) as outbox:
        assert not outbox.put(requests)
