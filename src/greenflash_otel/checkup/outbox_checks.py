"""Check the outbox: whether it can be used, has room, and what waits in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from greenflash_otel.checkup.finding import Finding
from greenflash_otel.delivery import inspector
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.settings import MEMORY, Settings

FULL: Final = 0.9
_FOLDER_STEP: Final = "set GREENFLASH_OUTBOX to a folder that this user may write"


def check_outbox(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about the folder and its content. Creates nothing and sends nothing."""
    if settings.outbox == MEMORY:
        title = "the outbox is in memory: what is not delivered ends with its process"
        yield Finding("outbox.durable", "warn", title, "set GREENFLASH_OUTBOX to a folder")
        return
    root = Path(settings.outbox)
    existing = next((path for path in (root, *root.parents) if path.exists()), root)
    if not existing.is_dir():
        yield Finding("outbox.usable", "fail", f"{existing} is no folder", _FOLDER_STEP)
        return
    if not os.access(existing, os.W_OK | os.X_OK):
        yield Finding("outbox.usable", "fail", f"{existing} cannot be written", _FOLDER_STEP)
        return
    try:
        pending, rejected = _count(root)
        used_bytes = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    except inspector.FAILURES as error:
        yield Finding("outbox.usable", "fail", f"{root} cannot be used: {error}", _FOLDER_STEP)
        return
    yield Finding("outbox.usable", "ok", f"{root} can be written")
    yield from _judge_room(used_bytes, settings.outbox_limit_bytes)
    yield from _judge_contents(pending, rejected)


def check_delivery(stats: Stats) -> Iterator[Finding]:
    """Yield what became of everything that a process captured, by its own counts."""
    if stats.paused:
        step = "mend what these words name; what was captured waits, and is delivered then"
        yield Finding("delivery.paused", "warn", f"delivery pauses: {stats.paused}", step)
    else:
        yield Finding("delivery.paused", "ok", f"delivery runs: {stats.delivered} delivered")
    if lost := sum(stats.lost.values()):
        reasons = ", ".join(sorted(stats.lost))
        step = "look up each reason on the page"
        yield Finding("delivery.lost", "fail", f"{lost} items are lost: {reasons}", step)
    yield from _judge_rejected(stats.rejected)


def _count(root: Path) -> tuple[int, int]:
    """Return how many items wait and how many were rejected, in the files that no process owns."""
    pending = rejected = 0
    for folder, destination in inspector.list_destinations(root):
        with inspector.inspecting(folder, destination) as contents:
            waiting, refused = contents.count_items()
            pending += waiting + contents.count_captured()
            rejected += refused
    return pending, rejected


def _judge_room(used_bytes: int, limit_bytes: int) -> Iterator[Finding]:
    share = f"{used_bytes / limit_bytes:.0%} of {limit_bytes} bytes are used"
    if used_bytes >= FULL * limit_bytes:
        step = (
            "deliver with 'greenflash-otel outbox flush', drop what was rejected, or raise the outbox's limit"
        )
        yield Finding("outbox.room", "fail", share, step)
    else:
        yield Finding("outbox.room", "ok", share)


def _judge_contents(pending: int, rejected: int) -> Iterator[Finding]:
    if pending:
        title = f"{pending} items of processes that ended still wait"
        yield Finding("outbox.pending", "warn", title, "deliver them: greenflash-otel outbox flush")
    else:
        yield Finding("outbox.pending", "ok", "nothing of processes that ended waits")
    yield from _judge_rejected(rejected)


def _judge_rejected(rejected: int) -> Iterator[Finding]:
    if rejected:
        step = "see the reasons with 'greenflash-otel outbox list', then 'outbox retry' or 'outbox drop'"
        yield Finding("outbox.rejected", "warn", f"Greenflash refused {rejected} items for good", step)
    else:
        yield Finding("outbox.rejected", "ok", "nothing was refused")
