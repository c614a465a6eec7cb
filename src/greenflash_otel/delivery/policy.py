"""Judge what became of one attempt to send a request.

Pure: no clock, no dice, no network. The sender (``delivery/sender.py``) sends, asks here, and acts. Retrying
never ends by age or by count: only Greenflash's definite word about an item, or the outbox's budget, does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias

from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.model.operation import Json


@dataclass(frozen=True, slots=True)
class Delivered:
    """Greenflash has it."""

    sampled_out: bool = False
    """Greenflash chose not to keep it."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Not now. Send the same body again after `delay_s` seconds."""

    delay_s: float
    gate_all: bool
    """The server named the wait: nothing is to be sent to it before."""
    reason: str


@dataclass(frozen=True, slots=True)
class Split:
    """Not as a whole: send its halves."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Never. Keep it aside, with the reason, for a person to look at."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing can be sent until a person has changed something; look again after `delay_s` seconds."""

    reason: str
    """The HTTP status."""
    delay_s: float


Verdict: TypeAlias = Delivered | RetryAfter | Split | Rejected | Hold

BACKOFF_S: Final = 0.5
BACKOFF_MAX_S: Final = 60.0
RETRY_AFTER_MAX_S: Final = 3600.0
"""A longer wait is cut to this: one wrong header must not park an outbox."""
HOLD_S: Final = 60.0
HOLD_MAX_S: Final = 900.0

TOO_LARGE: Final = 413
ABOUT_THE_ITEM: Final = frozenset({400, 404, 422, TOO_LARGE})
"""The request itself is refused. Sent again unchanged, it would be refused again."""
ABOUT_THE_MOMENT: Final = frozenset({408, 409, 421, 425, 429})
"""Like any 5xx, and like an answer that cannot be understood: it may well go through later.

All other 3xx and 4xx are about the key, the plan or the base URL. They are cured by a person, so the outbox
keeps everything until then."""

_REASON_CHARACTERS: Final = 300


def judge(
    answer: Answer, *, attempt: int, request_items: int, rng_fraction: float, refusals: int = 0
) -> Verdict:
    """Judge an attempt.

    Args:
        attempt: Which one it was of this request; counts from 1.
        request_items: How many messages or outcomes the request carries.
        rng_fraction: 0 to 1; spreads the retries of many senders ("full jitter").
        refusals: How many times in a row `Hold` was the verdict before.
    """
    status = answer.status
    if status is None:
        return _retry(answer, attempt, rng_fraction, answer.fault or "no answer")
    if status == 204:
        return Delivered(sampled_out=True)
    if 200 <= status < 300:
        if _is_success(answer.body):
            return Delivered()
        return _retry(answer, attempt, rng_fraction, f"HTTP {status} without success")
    if status in ABOUT_THE_ITEM:
        reason = _reason(status, answer.body)
        return Split(reason) if request_items > 1 else Rejected(reason)
    if status in ABOUT_THE_MOMENT or not 300 <= status < 500:
        return _retry(answer, attempt, rng_fraction, f"HTTP {status}")
    return Hold(str(status), min(HOLD_S * 2 ** min(refusals, 10), HOLD_MAX_S))


def _retry(answer: Answer, attempt: int, rng_fraction: float, reason: str) -> RetryAfter:
    ceiling_s = min(BACKOFF_S * 2 ** min(attempt - 1, 10), BACKOFF_MAX_S)
    asked_s = _asked_s(answer)
    return RetryAfter(max(rng_fraction * ceiling_s, asked_s or 0.0), asked_s is not None, reason)


def _asked_s(answer: Answer) -> float | None:
    """The wait the server asked for, in seconds; a date counts from the server's own clock."""
    header = (answer.retry_after or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", header):
        return min(float(header), RETRY_AFTER_MAX_S)
    until, now = _moment(header), _moment(answer.date or "")
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def _moment(http_date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(http_date)
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _is_success(body: bytes) -> bool:
    decoded = _decoded(body)
    return isinstance(decoded, dict) and decoded.get("success") is True


def _reason(status: int, body: bytes) -> str:
    """The status and what the server said about it, on one line."""
    decoded = _decoded(body)
    if isinstance(decoded, dict):
        said = decoded.get("message") or decoded.get("error") or decoded
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    else:
        text = body.decode(errors="replace")
    line = " ".join(text.split())[:_REASON_CHARACTERS]
    return f"HTTP {status}: {line}" if line else f"HTTP {status}"


def _decoded(body: bytes) -> Json:
    try:
        decoded: Json = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return decoded
