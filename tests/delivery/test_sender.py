"""One step at a time: what the sender does about each verdict, with a clock that stands still."""

from __future__ import annotations

import logging

import pytest

from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from tests.delivery.fakes import SUCCESS, Clock, Wire, answers, ids_of, ids_of_all, messages, outcome

REFUSAL = Answer(400, b'{"message":"no"}')
UNAUTHORISED = Answer(401, b'{"message":"Invalid API key"}')


def sender_of(outbox: Outbox, wire: Wire, clock: Clock) -> Sender:
    """A sender whose backoff is half of what it may be."""
    return Sender(outbox, wire, clock=clock, rng=lambda: 0.5)


def run(sender: Sender) -> int:
    """Step until there is nothing to do at this moment; how many steps there were."""
    steps = 0
    while sender.step():
        steps += 1
    return steps


def refusing(bad: set[str], status: int = 400) -> Wire:
    """A server that refuses whatever carries a bad item."""
    refusal = Answer(status, b'{"message":"no"}')
    return Wire(lambda request: refusal if bad & set(ids_of(request)) else SUCCESS)


def test_it_sends_what_is_due_and_settles_it(outbox: Outbox, clock: Clock) -> None:
    """Afterwards there is nothing to wait for."""
    wire = Wire()
    sender = sender_of(outbox, wire, clock)
    assert sender.pause_s() is None
    outbox.put([messages("one", "a"), outcome("one", "b")])
    assert sender.pause_s() == 0.0
    assert run(sender) == 2
    assert ids_of_all(wire.sent) == ["a", "b"]
    assert sender.pause_s() is None
    assert outbox.counts().delivered == 2


def test_a_sampled_out_request_is_delivered(outbox: Outbox, clock: Clock) -> None:
    """The server's choice is counted apart and final."""
    outbox.put([messages("one", "a", "b")])
    run(sender_of(outbox, Wire(answers(Answer(204))), clock))
    assert (outbox.counts().delivered, outbox.counts().sampled_out) == (2, 2)


def test_a_failure_is_tried_again_with_the_same_bytes(outbox: Outbox, clock: Clock) -> None:
    """After a growing wait; the other conversations go on meanwhile."""
    wire = Wire(answers(Answer(503), SUCCESS, Answer(None, fault="timeout")))
    sender = sender_of(outbox, wire, clock)
    outbox.put([messages("one", "a"), messages("two", "b")])
    assert run(sender) == 2
    assert sender.pause_s() == 0.25
    clock.now_s += 0.25
    assert run(sender) == 1
    assert sender.pause_s() == 0.5
    clock.now_s += 0.5
    assert run(sender) == 1
    assert [request.body for request in wire.sent[0::2]] == [messages("one", "a").body] * 2
    assert ids_of_all(wire.sent) == ["a", "b", "a", "a"]
    assert outbox.counts().delivered == 2


def test_the_server_can_ask_for_silence(outbox: Outbox, clock: Clock) -> None:
    """Retry-After stops everything, not only the request that was answered so."""
    wire = Wire(answers(Answer(429, retry_after="7")))
    sender = sender_of(outbox, wire, clock)
    outbox.put([messages("one", "a"), messages("two", "b")])
    assert run(sender) == 1
    assert sender.pause_s() == 7.0
    clock.now_s += 6.9
    assert run(sender) == 0
    clock.now_s += 0.2
    assert run(sender) == 2


def test_one_bad_message_of_fifty_is_found(outbox: Outbox, clock: Clock) -> None:
    """The others are delivered in order, the bad one is kept with the reason, in few requests."""
    wire = refusing({"m37"})
    outbox.put([messages("one", *(f"m{i}" for i in range(50))), messages("one", "next")])
    run(sender_of(outbox, wire, clock))
    delivered = [id for request in wire.sent if "m37" not in ids_of(request) for id in ids_of(request)]
    assert delivered == [*(f"m{i}" for i in range(50) if i != 37), "next"]
    assert len(wire.sent) <= 1 + 2 * 6 + 1
    counts = outbox.counts()
    assert (counts.accepted, counts.delivered, counts.rejected) == (51, 50, 1)


def test_a_request_that_is_too_large_is_halved(outbox: Outbox, clock: Clock) -> None:
    """Until its parts are small enough."""
    wire = Wire(lambda request: Answer(413) if request.items > 3 else SUCCESS)
    outbox.put([messages("one", *"abcdefgh")])
    run(sender_of(outbox, wire, clock))
    assert ids_of_all(request for request in wire.sent if request.items <= 3) == list("abcdefgh")
    assert outbox.counts().delivered == 8


def test_what_cannot_be_split_is_rejected(outbox: Outbox, clock: Clock) -> None:
    """Even if its count of items says otherwise."""
    outbox.put([ApiRequest("messages", "/messages", b'{"messages":[{}]}', "one", items=2)])
    run(sender_of(outbox, Wire(lambda request: REFUSAL), clock))
    assert outbox.counts().rejected == 2


def test_a_refused_key_holds_everything(outbox: Outbox, clock: Clock) -> None:
    """It is tried again after one minute, then two, up to fifteen; nothing is lost."""
    wire = Wire(lambda request: UNAUTHORISED)
    sender = sender_of(outbox, wire, clock)
    outbox.put([messages("one", "a"), messages("two", "b"), outcome("", "c")])
    for pause_s in (60.0, 120.0, 240.0, 480.0, 900.0, 900.0):
        assert run(sender) == 1
        assert sender.held == "HTTP 401: Invalid API key; check GREENFLASH_API_KEY"
        assert sender.pause_s() == pause_s
        clock.now_s += pause_s
    assert outbox.counts().pending == 3


def test_a_new_key_frees_everything(outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """What happened is told once, and once that it is over; never with the key."""
    caplog.set_level(logging.DEBUG, "greenflash_otel")
    sender = sender_of(outbox, Wire(answers(UNAUTHORISED, UNAUTHORISED)), clock)
    outbox.put([messages("one", "a"), messages("two", "b")])
    for _ in range(3):
        run(sender)
        clock.now_s += 120.0
    assert sender.held is None
    assert outbox.counts().delivered == 2
    assert caplog.messages == [
        "delivery is paused: HTTP 401: Invalid API key; check GREENFLASH_API_KEY. "
        "Captured data waits in the outbox",
        "delivery has resumed after a pause: HTTP 401: Invalid API key; check GREENFLASH_API_KEY",
    ]


@pytest.mark.parametrize(("status", "word"), [(302, "GREENFLASH_BASE_URL"), (403, "plan")])
def test_a_hold_says_what_to_do(
    status: int, word: str, outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong address is not cured by a new key."""
    sender = sender_of(outbox, Wire(answers(Answer(status))), clock)
    outbox.put([messages("one", "a")])
    run(sender)
    assert str(sender.held).startswith(f"HTTP {status}: ")
    assert word in caplog.text


def test_one_text_that_a_firewall_refuses_does_not_stop_the_others(outbox: Outbox, clock: Clock) -> None:
    """After a hold another entry is tried first, and what gets through lifts it."""
    wire = refusing({"bad"}, status=403)
    sender = sender_of(outbox, wire, clock)
    outbox.put([messages("one", "bad"), messages("two", "b"), messages("three", "c")])
    run(sender)
    clock.now_s += 60.0
    run(sender)
    assert ids_of_all(wire.sent) == ["bad", "b", "c", "bad"]
    assert sender.pause_s() == 60.0


def test_a_failure_says_nothing_about_the_key(outbox: Outbox, clock: Clock) -> None:
    """A hold is over only when an attempt gets past it."""
    sender = sender_of(outbox, Wire(answers(UNAUTHORISED, Answer(503), REFUSAL)), clock)
    outbox.put([messages("one", "a")])
    run(sender)
    clock.now_s += 60.0
    run(sender)
    assert sender.held == "HTTP 401: Invalid API key; check GREENFLASH_API_KEY"
    clock.now_s += 60.0
    run(sender)
    assert sender.held is None


def test_a_lasting_failure_is_told_once(
    outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the first time, for most are over in a second, and not every time."""
    sender = sender_of(outbox, Wire(lambda request: Answer(503)), clock)
    outbox.put([messages("one", "a")])
    for attempt in range(1, 10):
        run(sender)
        assert len(caplog.messages) == (1 if attempt >= 3 else 0)
        clock.now_s += 60.0
    assert caplog.messages == ["cannot deliver at present (HTTP 503); captured data waits in the outbox"]


def test_a_refusal_is_told_without_what_was_said(
    outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's words can quote what a user wrote; they stay in the outbox."""
    wire = Wire(lambda request: Answer(400, b'{"message":"content \'my password\' is bad"}'))
    outbox.put([messages("one", "a"), messages("two", "b")])
    run(sender_of(outbox, wire, clock))
    assert caplog.messages == [
        "Greenflash refused what was captured (HTTP 400); it is set aside in the outbox"
    ]
