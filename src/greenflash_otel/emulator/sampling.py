"""Decide whether a request is sampled under its ``sampleRate``. Pure: the same request gets the same answer.

Messages are decided per conversation. Of events the SDK says: per type and organization. A page of the
documentation says: each separately. Here the SDK counts.
"""

from __future__ import annotations

import hashlib

from greenflash_otel.emulator.contract import EventRequest

_STEPS = 2**53
"""As many as a float below 1 can distinguish."""


def is_sampled(key: str, rate: float | None, *, forced: bool | None) -> bool:
    """Return whether what ``key`` names is sampled. A rate of 0 keeps nothing, 1 and None everything."""
    if forced or rate is None:
        return True
    digest = hashlib.sha256(key.encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / _STEPS < rate


def key_of_event(event: EventRequest) -> str:
    """Return the key that decides about an event."""
    return f"{event.event_type}\n{event.external_organization_id or event.organization_id or ''}"
