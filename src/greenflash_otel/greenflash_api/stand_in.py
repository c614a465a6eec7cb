"""Recognise a local stand-in for Greenflash, which must never get what waits for the real one.

We ask only an address on this machine, and only if something waits that a stand-in must not get.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import httpx

from greenflash_otel.greenflash_api.quiet import without_log_lines

HEADER: Final = "x-greenflash-emulator"
"""A response header of the emulator."""
_LOOPBACK: Final = ("localhost", "127.", "::1", "host.docker.internal")
_TIMEOUT_S: Final = 1.0


def is_stand_in(base_url: str) -> bool:
    """Return whether the emulator answers at an address."""
    host = (urlsplit(base_url).hostname or "").lower()
    if not host.startswith(_LOOPBACK):
        return False
    try:
        with (
            without_log_lines(),
            httpx.Client(timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
        ):
            return HEADER in client.get(base_url).headers
    except Exception:  # noqa: BLE001 - nobody answers, or nothing that speaks HTTP
        return False
