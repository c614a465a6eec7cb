"""What the policy makes of every kind of answer."""

from __future__ import annotations

from dataclasses import replace
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.delivery.policy import (
    BACKOFF_MAX_S,
    HOLD_MAX_S,
    RETRY_AFTER_MAX_S,
    Delivered,
    Hold,
    Rejected,
    RetryAfter,
    Split,
    Verdict,
    judge,
)
from greenflash_otel.greenflash_api.answer import Answer, Fault

DATE = "Sat, 21 Nov 2026 10:00:00 GMT"
IN_90_S = "Sat, 21 Nov 2026 10:01:30 GMT"
AN_HOUR_AGO = "Sat, 21 Nov 2026 09:00:00 GMT"
MESSAGE = b'{"success":false,"message":"messages[1] has\\n no content"}'


def retry(delay_s: float, reason: str, *, gate_all: bool = False) -> RetryAfter:
    """A retry."""
    return RetryAfter(delay_s, gate_all, reason)


ONE_ITEM = [
    pytest.param(Answer(200, b'{"success":true}'), Delivered(), id="stored"),
    pytest.param(Answer(201, b'{"success":true,"messages":[],"new":1}'), Delivered(), id="created"),
    pytest.param(Answer(204), Delivered(sampled_out=True), id="sampled out"),
    pytest.param(Answer(200, b'{"success":false}'), retry(0.5, "HTTP 200 without success"), id="not stored"),
    pytest.param(Answer(200, b'{"success":1}'), retry(0.5, "HTTP 200 without success"), id="not quite true"),
    pytest.param(Answer(200, b"<html>"), retry(0.5, "HTTP 200 without success"), id="a page"),
    pytest.param(Answer(201), retry(0.5, "HTTP 201 without success"), id="nothing"),
    pytest.param(Answer(200, b'{"success":tr'), retry(0.5, "HTTP 200 without success"), id="cut off"),
    pytest.param(Answer(200, b"[" * 99_999), retry(0.5, "HTTP 200 without success"), id="too deep"),
    pytest.param(Answer(302), Hold("302", 60.0), id="redirected"),
    pytest.param(Answer(401), Hold("401", 60.0), id="wrong key"),
    pytest.param(Answer(402), Hold("402", 60.0), id="to be paid"),
    pytest.param(Answer(403), Hold("403", 60.0), id="not allowed"),
    pytest.param(Answer(405), Hold("405", 60.0), id="not an API"),
    pytest.param(Answer(407), Hold("407", 60.0), id="a proxy wants a password"),
    pytest.param(Answer(400, MESSAGE), Rejected("HTTP 400: messages[1] has no content"), id="refused"),
    pytest.param(Answer(422, b'{"error":"bad"}'), Rejected("HTTP 422: bad"), id="refused, error"),
    pytest.param(
        Answer(400, b'{"error":{"code":7}}'), Rejected('HTTP 400: {"code": 7}'), id="refused, nested error"
    ),
    pytest.param(Answer(404, b"no\xff page"), Rejected("HTTP 404: no\ufffd page"), id="refused, raw text"),
    pytest.param(Answer(400), Rejected("HTTP 400"), id="refused without a word"),
    pytest.param(Answer(413), Rejected("HTTP 413"), id="too large"),
    pytest.param(Answer(408), retry(0.5, "HTTP 408"), id="too slow"),
    pytest.param(Answer(409), retry(0.5, "HTTP 409"), id="conflict"),
    pytest.param(Answer(425), retry(0.5, "HTTP 425"), id="too early"),
    pytest.param(Answer(429), retry(0.5, "HTTP 429"), id="throttled"),
    pytest.param(Answer(500), retry(0.5, "HTTP 500"), id="broken"),
    pytest.param(Answer(503), retry(0.5, "HTTP 503"), id="down"),
    pytest.param(Answer(999), retry(0.5, "HTTP 999"), id="no such status"),
    pytest.param(Answer(None, fault="timeout"), retry(0.5, "timeout"), id="no answer in time"),
    pytest.param(Answer(None, fault="connection"), retry(0.5, "connection"), id="nobody there"),
    pytest.param(Answer(None, fault="tls"), retry(0.5, "tls"), id="nobody to trust"),
]


@pytest.mark.parametrize(("answer", "verdict"), ONE_ITEM)
def test_a_request_of_one_item(answer: Answer, verdict: Verdict) -> None:
    """Every answer has one verdict; only the server's word about the item itself is final."""
    assert judge(answer, attempt=1, request_items=1, rng_fraction=1.0) == verdict


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_request_of_several_items_is_split(status: int) -> None:
    """Where one may be bad, or all are too many, the others are saved."""
    verdict = judge(Answer(status, MESSAGE), attempt=1, request_items=2, rng_fraction=0.5)
    assert verdict == Split(f"HTTP {status}: messages[1] has no content")


def test_what_the_server_says_is_cut() -> None:
    """A reason is one line of bounded length."""
    verdict = judge(Answer(400, b"long " * 10_000), attempt=1, request_items=1, rng_fraction=0.5)
    assert isinstance(verdict, Rejected)
    assert len(verdict.reason) == len("HTTP 400: ") + 300


@pytest.mark.parametrize(
    ("attempt", "delay_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 32.0), (8, 60.0), (10**9, 60.0)]
)
def test_backoff_doubles_up_to_a_minute(attempt: int, delay_s: float) -> None:
    """Attempts are further and further apart, and never end."""
    verdict = judge(Answer(503), attempt=attempt, request_items=1, rng_fraction=1.0)
    assert verdict == retry(delay_s, "HTTP 503")


@pytest.mark.parametrize(
    ("refusals", "delay_s"), [(0, 60.0), (1, 120.0), (3, 480.0), (4, 900.0), (10**9, 900.0)]
)
def test_a_hold_doubles_up_to_a_quarter_of_an_hour(refusals: int, delay_s: float) -> None:
    """A key that is refused is tried more and more rarely, and never given up."""
    verdict = judge(Answer(401), attempt=9, request_items=1, rng_fraction=0.0, refusals=refusals)
    assert verdict == Hold("401", delay_s)


@pytest.mark.parametrize(
    ("header", "date", "delay_s"),
    [
        pytest.param("7", None, 7.0, id="seconds"),
        pytest.param(" 7 ", None, 7.0, id="seconds with space"),
        pytest.param("1.5", None, 1.5, id="parts of a second"),
        pytest.param("0", None, 0.1, id="at once: our own backoff"),
        pytest.param("86400", None, 3600.0, id="a day is cut to an hour"),
        pytest.param("9" * 999, None, 3600.0, id="beyond any float"),
        pytest.param(IN_90_S, DATE, 90.0, id="a date, by the server's clock"),
        pytest.param(IN_90_S, IN_90_S, 0.1, id="a date that is now"),
        pytest.param(DATE, AN_HOUR_AGO, 3600.0, id="a date in an hour"),
        pytest.param(AN_HOUR_AGO, DATE, 0.1, id="a date that has passed"),
    ],
)
def test_the_servers_word_is_a_minimum(header: str, date: str | None, delay_s: float) -> None:
    """Retry-After can only lengthen the wait, and then nothing else is sent either."""
    answer = Answer(429, retry_after=header, date=date)
    verdict = judge(answer, attempt=1, request_items=1, rng_fraction=0.2)
    assert verdict == retry(delay_s, "HTTP 429", gate_all=True)


@pytest.mark.parametrize(
    ("header", "date"),
    [("soon", DATE), ("", DATE), ("-5", DATE), (IN_90_S, None), (IN_90_S, "today"), ("1e3", None)],
)
def test_a_wait_that_cannot_be_read_is_none(header: str, date: str | None) -> None:
    """Then our own backoff counts, for this request alone."""
    answer = Answer(503, retry_after=header, date=date)
    verdict = judge(answer, attempt=1, request_items=1, rng_fraction=0.2)
    assert verdict == retry(0.1, "HTTP 503")


FAULTS: list[Fault | None] = ["timeout", "connection", "tls", "client", None]
ANSWERS = st.builds(
    Answer,
    status=st.none() | st.integers(100, 699),
    body=st.binary(max_size=40) | st.sampled_from([b'{"success":true}', MESSAGE]),
    retry_after=st.none()
    | st.text(max_size=30)
    | st.integers(0, 10**9).map(str)
    | st.datetimes().map(format_datetime)
    | st.integers(0, 2**33).map(lambda s: formatdate(s, usegmt=True)),
    date=st.none() | st.text(max_size=30) | st.integers(0, 2**33).map(lambda s: formatdate(s, usegmt=True)),
    fault=st.sampled_from(FAULTS),
)
FRACTIONS = st.floats(0.0, 1.0)


@given(ANSWERS, st.integers(1, 10**6), st.integers(1, 100), FRACTIONS, st.integers(0, 10**6))
def test_every_answer_has_a_bounded_verdict(
    answer: Answer, attempt: int, items: int, fraction: float, refusals: int
) -> None:
    """No answer breaks the judge, and nothing waits for ever."""
    verdict = judge(answer, attempt=attempt, request_items=items, rng_fraction=fraction, refusals=refusals)
    match verdict:
        case RetryAfter(delay_s):
            assert 0 <= delay_s <= max(RETRY_AFTER_MAX_S, BACKOFF_MAX_S)
        case Hold(_, delay_s):
            assert 60 <= delay_s <= HOLD_MAX_S
        case Split():
            assert items > 1
        case Rejected(reason):
            assert items == 1
            assert len(reason) < 400
        case Delivered():
            assert answer.status is not None
            assert 200 <= answer.status < 300


@given(st.integers(0, 10_000), st.integers(1, 50), FRACTIONS, st.integers(0, 2**32))
def test_never_early(wait_s: int, attempt: int, fraction: float, server_s: int) -> None:
    """Whether it names seconds or a date, and whatever its clock says, the server gets its pause."""
    date = formatdate(server_s, usegmt=True)
    in_seconds = Answer(503, retry_after=str(wait_s), date=date)
    as_date = replace(in_seconds, retry_after=formatdate(server_s + wait_s, usegmt=True))
    for answer in (in_seconds, as_date):
        verdict = judge(answer, attempt=attempt, request_items=1, rng_fraction=fraction)
        assert isinstance(verdict, RetryAfter)
        assert verdict.delay_s >= min(wait_s, RETRY_AFTER_MAX_S)
        assert verdict.gate_all
