"""Instants as the API writes them, and as microseconds since 1970. Pure.

Microseconds, not the nanoseconds of spans: a signed 64-bit column of nanoseconds ends in 2262.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_EPOCH = datetime(1970, 1, 1)  # naive: zones are subtracted by hand
_MICROSECOND = timedelta(microseconds=1)
_INSTANT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:T(?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?:Z|(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)))?",
    re.ASCII,
)


def read_instant_us(text: str, *, date_alone: bool = True) -> int:
    """Return Unix time in microseconds of an RFC 3339 date-time; of midnight UTC for a date alone.

    Raises ValueError with what is wrong. A zone is demanded: how Greenflash reads a time without
    one is not documented.
    """
    match = _INSTANT.fullmatch(text)
    if match is None or not (match["time"] or date_alone):
        raise ValueError('must be a date-time with a zone; write e.g. "2026-01-31T09:30:00.000Z"')
    try:
        naive = datetime.fromisoformat(f"{match['date']}T{match['time'] or '00:00:00'}")
    except ValueError as error:
        raise ValueError(f"is no time that exists: {error}") from None
    fraction_us = int((match["fraction"] or "").ljust(6, "0")[:6])
    return (naive - _EPOCH) // _MICROSECOND + fraction_us - _read_offset_us(match)


def write_instant(at_us: int) -> str:
    """Return the instant as RFC 3339 in UTC, with microseconds."""
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="microseconds") + "Z"


def _read_offset_us(match: re.Match[str]) -> int:
    """Return how far the zone of the match is east of UTC."""
    if match["sign"] is None:
        return 0
    hours, minutes = int(match["hours"]), int(match["minutes"])
    if hours > 23 or minutes > 59:
        raise ValueError(f"has a zone that does not exist: {match['sign']}{hours:02}:{minutes:02}")
    east = timedelta(hours=hours, minutes=minutes) // _MICROSECOND
    return east if match["sign"] == "+" else -east
