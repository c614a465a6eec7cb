"""What the policy makes of every kind of answer."""

from __future__ import annotations

import json
from dataclasses import replace
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.delivery.policy import (
    BACKOFF_MAX_S,
    PAUSE_MAX_S,
    PERMANENT_STATUSES,
    RETRY_AFTER_MAX_S,
    TRANSIENT_STATUSES,
    Delivered,
    PauseDelivery,
    Rejected,
    RetryAfter,
    Split,
    Verdict,
    judge,
    pause_delay_s,
)
from greenflash_otel.greenflash_api.answer import Answer, Fault

DATE = "Sat, 21 Nov 2026 10:00:00 GMT"
IN_90_S = "Sat, 21 Nov 2026 10:01:30 GMT"
AN_HOUR_AGO = "Sat, 21 Nov 2026 09:00:00 GMT"
MESSAGE = b'{"success":false,"message":"messages[1] has\\n no content"}'
PAGE = b"<html><head><title>404 Not Found</title></head></html>"


def retry(delay_s: float, reason: str, *, gate_all: bool = False) -> RetryAfter:
    """A retry."""
    return RetryAfter(delay_s, gate_all, reason)


def pause(reason: str) -> PauseDelivery:
    """The first pause."""
    return PauseDelivery(reason, 60.0)


def not_the_api(status: int, kind: str, advice: str = "check GREENFLASH_BASE_URL") -> PauseDelivery:
    """The pause for an answer that somebody else gave."""
    return pause(f"HTTP {status}: not an answer of the API ({kind}); {advice}")


ONE_ITEM = [
    pytest.param(Answer(200, b'{"success":true}'), Delivered(), id="stored"),
    pytest.param(Answer(201, b'{"success":true,"messages":[],"new":1}'), Delivered(), id="created"),
    pytest.param(Answer(204), Delivered(sampled_out=True), id="sampled out"),
    pytest.param(Answer(200, b'{"success":false}'), retry(0.5, "HTTP 200 without success"), id="not stored"),
    pytest.param(Answer(200, b'{"success":1}'), retry(0.5, "HTTP 200 without success"), id="not quite true"),
    pytest.param(Answer(200, b"<html>"), retry(0.5, "HTTP 200 without success"), id="a page, once"),
    pytest.param(Answer(201), retry(0.5, "HTTP 201 without success"), id="nothing, once"),
    pytest.param(Answer(200, b'{"success":tr', True), retry(0.5, "HTTP 200 without success"), id="cut off"),
    pytest.param(Answer(200, b"[" * 99_999), retry(0.5, "HTTP 200 without success"), id="too deep"),
    pytest.param(
        Answer(302, PAGE, content_type="text/html"),
        pause("HTTP 302: a redirect, which is not followed; check GREENFLASH_BASE_URL"),
        id="redirected",
    ),
    pytest.param(
        Answer(401, b'{"success":false,"message":"Invalid API key"}'),
        pause("HTTP 401: Invalid API key; check GREENFLASH_API_KEY"),
        id="wrong key",
    ),
    pytest.param(Answer(401), not_the_api(401, "empty", "check GREENFLASH_API_KEY"), id="wrong key, silent"),
    pytest.param(
        Answer(402, b'{"error":"out of credit"}'),
        pause("HTTP 402: out of credit; check your plan"),
        id="to pay",
    ),
    pytest.param(
        Answer(403, b"<html>", content_type="text/html; charset=utf-8"),
        not_the_api(403, "text/html", "check the rights of the API key, and your plan"),
        id="a firewall",
    ),
    pytest.param(Answer(405, b'{"message":"no POST"}'), pause("HTTP 405: no POST"), id="not allowed"),
    pytest.param(
        Answer(407),
        not_the_api(407, "empty", "the proxy wants a user and a password"),
        id="a proxy wants a password",
    ),
    pytest.param(Answer(400, MESSAGE), Rejected("HTTP 400: messages[1] has no content"), id="refused"),
    pytest.param(Answer(404, MESSAGE), Rejected("HTTP 404: messages[1] has no content"), id="not known"),
    pytest.param(Answer(422, b'{"error":"bad"}'), Rejected("HTTP 422: bad"), id="refused, error"),
    pytest.param(Answer(400, b'{"message":"","error":"bad"}'), Rejected("HTTP 400: bad"), id="no message"),
    pytest.param(
        Answer(400, b'\xef\xbb\xbf{"message":"bad \xff"}'), Rejected("HTTP 400: bad \ufffd"), id="not UTF-8"
    ),
    pytest.param(
        Answer(400, b'{"message":"cut \\ud83d"}'), Rejected("HTTP 400: cut \ufffd"), id="half an emoji"
    ),
    pytest.param(
        Answer(400, b'{"message":"a\\u001b[2Jb\\u0000c\\u202ed\\u2028e"}'),
        Rejected("HTTP 400: a\ufffd[2Jb\ufffdc\ufffdd e"),
        id="control characters",
    ),
    pytest.param(
        Answer(404, PAGE, content_type="text/html"), not_the_api(404, "text/html"), id="not this address"
    ),
    pytest.param(Answer(400, content_type="text/html"), not_the_api(400, "empty"), id="without a word"),
    pytest.param(
        Answer(422, b"no", content_type="\ud800\x1b[2J"),
        not_the_api(422, "of no known type"),
        id="strange type",
    ),
    pytest.param(
        Answer(400, b'{"error":{"message":"bad"}}', content_type="application/json"),
        not_the_api(400, "application/json"),
        id="another API's JSON",
    ),
    pytest.param(
        Answer(404, b'["message"]', content_type="application/json"),
        not_the_api(404, "application/json"),
        id="no object",
    ),
    pytest.param(
        Answer(404, b'{"message":["bad"]}', content_type="application/json"),
        not_the_api(404, "application/json"),
        id="no text",
    ),
    pytest.param(
        Answer(400, b'{"message":"b', True),
        retry(0.5, "HTTP 400, and the answer broke off"),
        id="refusal cut",
    ),
    pytest.param(Answer(413), Rejected("HTTP 413", is_certain=True), id="too large"),
    pytest.param(Answer(413, PAGE), Rejected("HTTP 413", is_certain=True), id="too large for a proxy"),
    *(
        pytest.param(Answer(n, MESSAGE), retry(0.5, f"HTTP {n}"), id=str(n))
        for n in sorted(TRANSIENT_STATUSES)
    ),
    pytest.param(Answer(500), retry(0.5, "HTTP 500"), id="broken"),
    pytest.param(Answer(502, PAGE), retry(0.5, "HTTP 502"), id="broken gateway"),
    pytest.param(Answer(503), retry(0.5, "HTTP 503"), id="down"),
    pytest.param(Answer(999), retry(0.5, "HTTP 999"), id="no such status"),
    pytest.param(Answer(None, fault="timeout"), retry(0.5, "timeout"), id="no answer in time"),
    pytest.param(Answer(None, fault="connection"), retry(0.5, "connection"), id="nobody there"),
    pytest.param(Answer(None, fault="tls"), retry(0.5, "tls"), id="nobody to trust"),
    pytest.param(
        Answer(None, fault="path"),
        Rejected("its path is not one of the API's, so it was not sent", is_certain=True),
        id="a path from elsewhere",
    ),
]


@pytest.mark.parametrize(("answer", "verdict"), ONE_ITEM)
def test_a_request_of_one_item(answer: Answer, verdict: Verdict) -> None:
    """Every answer has one verdict; only the server's word about the item itself is final."""
    assert judge(answer, attempt=1, request_items=1, rng_fraction=1.0) == verdict


@pytest.mark.parametrize("answer", [Answer(200, b"<html>", content_type="text/html"), Answer(201)])
def test_a_page_that_says_ok_again_and_again_pauses(answer: Answer) -> None:
    """A sign-in page of a network answers everything with 200; one disturbance does not."""
    verdicts = [judge(answer, attempt=n, request_items=1, rng_fraction=0.5) for n in (1, 2, 3)]
    assert [type(verdict) for verdict in verdicts] == [RetryAfter, RetryAfter, PauseDelivery]


@pytest.mark.parametrize("status", sorted(PERMANENT_STATUSES))
@pytest.mark.parametrize("body", [PAGE, b"", b"{}", b"null", b'"message"', b'{"message":" "}'])
def test_what_is_not_the_apis_word_pauses(status: int, body: bytes) -> None:
    """However many items the request carries: nothing is split, nothing rejected."""
    for items in (1, 7):
        verdict = judge(Answer(status, body), attempt=1, request_items=items, rng_fraction=0.5)
        assert isinstance(verdict, PauseDelivery)
        assert "GREENFLASH_BASE_URL" in verdict.reason


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_request_of_several_items_is_split(status: int) -> None:
    """Where one may be bad, or all are too many, the others are saved."""
    verdict = judge(Answer(status, MESSAGE), attempt=1, request_items=2, rng_fraction=0.5)
    assert verdict == Split(f"HTTP {status}: messages[1] has no content")


def test_what_the_server_says_is_cut() -> None:
    """A reason is one line of bounded length."""
    body = b'{"message":"' + b"long " * 10_000 + b'"}'
    verdict = judge(Answer(400, body), attempt=1, request_items=1, rng_fraction=0.5)
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
    ("pauses", "delay_s"), [(0, 60.0), (1, 120.0), (3, 480.0), (4, 900.0), (10**9, 900.0)]
)
def test_a_pause_doubles_up_to_a_quarter_of_an_hour(pauses: int, delay_s: float) -> None:
    """A key that is refused is tried more and more rarely, and never given up."""
    verdict = judge(Answer(401), attempt=9, request_items=1, rng_fraction=0.0, pauses=pauses)
    assert isinstance(verdict, PauseDelivery)
    assert verdict.delay_s == pause_delay_s(pauses) == delay_s


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


FAULTS: list[Fault | None] = ["timeout", "connection", "tls", "client", "path", None]
ANSWERS = st.builds(
    Answer,
    status=st.none() | st.integers(100, 699),
    body=st.binary(max_size=40)
    | st.sampled_from([b'{"success":true}', MESSAGE, PAGE])
    | st.text(st.characters()).map(lambda text: json.dumps({"message": text}).encode()),
    is_cut=st.booleans(),
    content_type=st.none() | st.text(st.characters(), max_size=30),
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
    answer: Answer, attempt: int, items: int, fraction: float, pauses: int
) -> None:
    """No answer breaks the judge, nothing waits for ever, and every reason can be stored and printed."""
    verdict = judge(answer, attempt=attempt, request_items=items, rng_fraction=fraction, pauses=pauses)
    match verdict:
        case RetryAfter(delay_s):
            assert 0 <= delay_s <= max(RETRY_AFTER_MAX_S, BACKOFF_MAX_S)
        case PauseDelivery(_, delay_s):
            assert 60 <= delay_s <= PAUSE_MAX_S
        case Split():
            assert items > 1
            assert answer.status in {*PERMANENT_STATUSES, 413}
        case Rejected():
            assert items == 1 or answer.fault == "path"
            assert answer.fault == "path" or answer.status in {*PERMANENT_STATUSES, 413}
        case Delivered():
            assert answer.status is not None
            assert 200 <= answer.status < 300
    if not isinstance(verdict, Delivered):
        assert len(verdict.reason.encode()) < 2_000
        assert verdict.reason.isprintable()


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
