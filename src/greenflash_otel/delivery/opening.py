"""Open the outbox of a destination."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from greenflash_otel.delivery.destination import Destination, choose_folder, claim_folder
from greenflash_otel.delivery.outbox import LIMIT_BYTES, MEMORY, Outbox


def open_outbox(root: str, destination: Destination, limit_bytes: int = LIMIT_BYTES) -> Outbox:
    """Open the outbox of a destination: its folder in a root folder, or memory."""
    if root == MEMORY:
        return Outbox(MEMORY, limit_bytes=limit_bytes, destination=destination.key)
    return Outbox(
        choose_folder(Path(root), destination),
        limit_bytes=limit_bytes,
        destination=destination.key,
        claim_folder=partial(claim_folder, destination=destination),
    )
