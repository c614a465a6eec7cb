"""What one check found. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from greenflash_otel.docs_links import link_to_finding
from greenflash_otel.visible_text import escape_controls

State: TypeAlias = Literal["ok", "warn", "fail"]

CHECKS: Final[Mapping[str, str]] = {
    "settings.valid": "A setting cannot be read.",
    "settings.known": "A variable looks like one of this library, and is none: it has no effect.",
    "settings.product": "Without a product, or with something that is no UUID, nothing can be captured.",
    "settings.key": "Without a key, what is captured waits in the outbox.",
    "api.reachable": "Nothing answers at the base URL: its host, the network, a proxy or a certificate.",
    "api.address": "What answers at the base URL is not Greenflash: a proxy's page, another service, a redirect.",
    "api.key": "Greenflash does not accept the key.",
    "api.available": "Greenflash answers with an error of its own.",
    "api.product": "The account of the key has no such product.",
    "api.clock": "The clock of this machine and that of the server differ by more than a minute.",
    "outbox.usable": "The folder of the outbox cannot be written.",
    "outbox.durable": "The outbox is in memory, and ends with its process.",
    "outbox.room": "The outbox is nearly full: beyond its limit, the newest is refused.",
    "outbox.pending": "Something that ended processes captured still waits.",
    "outbox.rejected": "Greenflash refused something for good.",
    "delivery.paused": "Delivery pauses, and its words say why. Only in `greenflash.doctor()`.",
    "delivery.lost": "Something that was captured is lost. Only in `greenflash.doctor()`.",
    "capture.instrumented": "`instrument()` was not called in this process. Only in `greenflash.doctor()`.",
    "capture.installed": "A library that is to be captured is not installed.",
    "capture.version": "A library has a version that is not supported: its calls may not be captured.",
    "capture.others": "Another instrumentation of the same calls is installed: together, they may record calls twice.",
    "capture.enabled": "OpenTelemetry is disabled: nothing is captured.",
}
"""What each check is about, by its id. The page ``docs/doctor.md`` is made from it."""

_MARKS: Final[Mapping[State, str]] = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    id: str
    """One of `CHECKS`; it stays the same in later versions."""
    state: State
    title: str
    """What is so, in one sentence without a key or anything that a user said."""
    next_step: str = ""
    """What to do about it; empty where nothing is to be done."""

    @property
    def docs_url(self) -> str:
        """The address of the page that says how to mend it."""
        return link_to_finding(self.id)

    def __str__(self) -> str:
        step = f"\n      -> {self.next_step}\n         {self.docs_url}" if self.next_step else ""
        return f"{_MARKS[self.state]}  {self.id:18} {escape_controls(self.title)}{step}"
