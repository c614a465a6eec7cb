"""Judge what became of one attempt to send a request.

Pure: no clock, no dice, no network. The sender (``delivery/sender.py``) sends, asks here, and acts. Retrying
never ends by age or by count: only Greenflash's definite word about an item, or the outbox's budget, does.
Whether several refusals in a row are about their items at all is judged in ``delivery/refusals.py``.
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
    """Never. Keep it, with the reason, for a person to look at."""

    reason: str
    is_certain: bool = False
    """Whether the refusal is about this item, however many others meet the same."""


@dataclass(frozen=True, slots=True)
class PauseDelivery:
    """Nothing can be sent until a person has changed something; look again after `delay_s` seconds."""

    reason: str
    """One line for a person, such as ``HTTP 401: Invalid API key; check GREENFLASH_API_KEY``."""
    delay_s: float


Verdict: TypeAlias = Delivered | RetryAfter | Split | Rejected | PauseDelivery

BACKOFF_S: Final = 0.5
BACKOFF_MAX_S: Final = 60.0
RETRY_AFTER_MAX_S: Final = 3600.0
"""A longer wait is cut to this: one wrong header must not park an outbox."""
PAUSE_S: Final = 60.0
PAUSE_MAX_S: Final = 900.0
STRANGE_SUCCESSES: Final = 2
"""So many 2xx answers that are not the API's are taken for a passing disturbance, the next one is not."""

TOO_LARGE: Final = 413
PERMANENT_STATUSES: Final = frozenset({400, 404, 422})
"""The request itself is refused, if Greenflash says why: sent again unchanged, it would be refused again.

Proxies, firewalls and other services answer with these too. Their word says nothing about the item.
"""
TRANSIENT_STATUSES: Final = frozenset({408, 409, 421, 425, 429})
"""Like any 5xx: it may well go through later.

All other 3xx and 4xx are about the key, the plan or the base URL. They are cured by a person, so the outbox
keeps everything until then."""

ADVICE: Final = {
    401: "check GREENFLASH_API_KEY",
    402: "check your plan",
    403: "check the rights of the API key, and your plan",
    407: "the proxy wants a user and a password",
}
BASE_URL_ADVICE: Final = "check GREENFLASH_BASE_URL"

_REASON_CHARACTERS: Final = 300
_MEDIA_TYPE: Final = re.compile(r"\s*([\w.+-]{1,40}/[\w.+-]{1,60})\s*(?:;|$)", re.ASCII)


def judge(
    answer: Answer, *, attempt: int, request_items: int, rng_fraction: float, pauses: int = 0
) -> Verdict:
    """Judge an attempt.

    Args:
        attempt: Which one it was of this request; counts from 1.
        request_items: How many messages or outcomes the request carries.
        rng_fraction: 0 to 1; spreads the retries of many senders ("full jitter").
        pauses: How many times in a row `PauseDelivery` was the verdict before.
    """
    status = answer.status
    if answer.fault == "path":
        return Rejected("its path is not one of the API's, so it was not sent", is_certain=True)
    if status is None:
        return _retry(answer, attempt, rng_fraction, answer.fault or "no answer")
    if 200 <= status < 300:
        return _judge_success(answer, status, attempt, rng_fraction, pauses)
    if status in TRANSIENT_STATUSES or not 300 <= status < 500:
        return _retry(answer, attempt, rng_fraction, f"HTTP {status}")
    if status == TOO_LARGE or (status in PERMANENT_STATUSES and _read_explanation(answer.body)):
        reason = _write_reason(status, _read_explanation(answer.body))
        return Split(reason) if request_items > 1 else Rejected(reason, status == TOO_LARGE)
    if status in PERMANENT_STATUSES and answer.is_cut:
        return _retry(answer, attempt, rng_fraction, f"HTTP {status}, and the answer broke off")
    return PauseDelivery(_pause_reason(answer, status), pause_delay_s(pauses))


def pause_delay_s(pauses: int) -> float:
    """Return how long delivery pauses when it has paused so many times in a row before."""
    return min(PAUSE_S * 2.0 ** min(pauses, 10), PAUSE_MAX_S)


def make_readable(text: str, limit: int = _REASON_CHARACTERS) -> str:
    """Return a text from outside as one line that can be stored and printed.

    Control characters and lone surrogates, which databases and terminals do not take, are replaced.
    """
    line = " ".join(text[: 4 * limit].split())[:limit]
    return "".join(character if character.isprintable() else "\ufffd" for character in line)


def _judge_success(answer: Answer, status: int, attempt: int, rng_fraction: float, pauses: int) -> Verdict:
    if status == 204:
        return Delivered(sampled_out=True)
    decoded = _decode_json(answer.body)
    if isinstance(decoded, dict) and decoded.get("success") is True:
        return Delivered()
    if isinstance(decoded, dict) or answer.is_cut or attempt <= STRANGE_SUCCESSES:
        return _retry(answer, attempt, rng_fraction, f"HTTP {status} without success")
    return PauseDelivery(_pause_reason(answer, status), pause_delay_s(pauses))


def _retry(answer: Answer, attempt: int, rng_fraction: float, reason: str) -> RetryAfter:
    ceiling_s = min(BACKOFF_S * 2 ** min(attempt - 1, 10), BACKOFF_MAX_S)
    server_wait_s = _read_retry_after_s(answer)
    return RetryAfter(max(rng_fraction * ceiling_s, server_wait_s or 0.0), server_wait_s is not None, reason)


def _read_retry_after_s(answer: Answer) -> float | None:
    """Read the wait that the server asked for, in seconds; a date counts from the server's own clock."""
    header = (answer.retry_after or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", header):
        return min(float(header), RETRY_AFTER_MAX_S)
    until, now = _parse_date(header), _parse_date(answer.date or "")
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def _parse_date(http_date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(http_date)
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _pause_reason(answer: Answer, status: int) -> str:
    """Describe what answered, and what to do about it."""
    explanation = _read_explanation(answer.body)
    if 300 <= status < 400:
        return f"HTTP {status}: a redirect, which is not followed; {BASE_URL_ADVICE}"
    if explanation and status in ADVICE:
        return f"{_write_reason(status, explanation)}; {ADVICE[status]}"
    if explanation:
        return _write_reason(status, explanation)
    advice = ADVICE.get(status, BASE_URL_ADVICE)
    return f"HTTP {status}: not an answer of the API ({_kind_of(answer)}); {advice}"


def _kind_of(answer: Answer) -> str:
    if not answer.body.strip():
        return "empty"
    match = _MEDIA_TYPE.match(answer.content_type or "")
    return match[1] if match else "of no known type"


def _write_reason(status: int, explanation: str) -> str:
    return f"HTTP {status}: {explanation}" if explanation else f"HTTP {status}"


def _read_explanation(body: bytes) -> str:
    """Read what Greenflash says about a request it refuses: a text in ``message`` or ``error``. Empty: it is not
    Greenflash that speaks."""
    decoded = _decode_json(body)
    if isinstance(decoded, dict):
        for name in ("message", "error"):
            if isinstance(text := decoded.get(name), str) and (line := make_readable(text)):
                return line
    return ""


def _decode_json(body: bytes) -> Json:
    """Read the JSON of a body. Bytes that are not UTF-8 are replaced: they cost nothing but themselves."""
    try:
        decoded: Json = json.loads(body.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        return None
    return decoded
