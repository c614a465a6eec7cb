"""One step at a time: what the sender does about each verdict, with a clock that stands still."""

from __future__ import annotations

import logging

import pytest

from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender
from greenflash_otel.docs_links import PAGES
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from tests.delivery.fakes import SUCCESS, Clock, Wire, answers, ids_of, ids_of_all, messages, outcome

REFUSAL = Answer(400, b'{"message":"no"}')
UNAUTHORISED = Answer(401, b'{"message":"Invalid API key"}')


def sender_of(outbox: Outbox, wire: Wire, clock: Clock) -> Sender:
    """A sender whose backoff is half of what it may be."""
    return Sender(outbox, wire, clock=clock, rng=lambda: 0.5, destination="https://a", has_accepted=True)


def reason_of(sender: Sender) -> str | None:
    """Why everything waits."""
    return sender.paused.reason if sender.paused is not None else None


def run(sender: Sender) -> int:
    """Step until there is nothing to do at this moment; how many steps there were."""
    steps = 0
    while sender.send_next():
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
    assert outbox.get_stats().delivered == 2


def test_a_sampled_out_request_is_delivered(outbox: Outbox, clock: Clock) -> None:
    """The server's choice is counted apart and final."""
    outbox.put([messages("one", "a", "b")])
    run(sender_of(outbox, Wire(answers(Answer(204))), clock))
    assert (outbox.get_stats().delivered, outbox.get_stats().sampled_out) == (2, 2)


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
    assert outbox.get_stats().delivered == 2


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
    counts = outbox.get_stats()
    assert (counts.accepted, counts.delivered, counts.rejected) == (51, 50, 1)


def test_a_request_that_is_too_large_is_halved(outbox: Outbox, clock: Clock) -> None:
    """Until its parts are small enough."""
    wire = Wire(lambda request: Answer(413) if request.items > 3 else SUCCESS)
    outbox.put([messages("one", *"abcdefgh")])
    run(sender_of(outbox, wire, clock))
    assert ids_of_all(request for request in wire.sent if request.items <= 3) == list("abcdefgh")
    assert outbox.get_stats().delivered == 8


def test_what_cannot_be_split_is_rejected(outbox: Outbox, clock: Clock) -> None:
    """Even if its count of items says otherwise."""
    outbox.put([ApiRequest("messages", "/messages", b'{"messages":[{}]}', "one", items=2)])
    run(sender_of(outbox, Wire(lambda request: REFUSAL), clock))
    assert outbox.get_stats().rejected == 2


def test_a_refused_key_holds_everything(outbox: Outbox, clock: Clock) -> None:
    """It is tried again after one minute, then two, up to fifteen; nothing is lost."""
    wire = Wire(lambda request: UNAUTHORISED)
    sender = sender_of(outbox, wire, clock)
    outbox.put([messages("one", "a"), messages("two", "b"), outcome("", "c")])
    for pause_s in (60.0, 120.0, 240.0, 480.0, 900.0, 900.0):
        assert run(sender) == 1
        assert reason_of(sender) == "HTTP 401: Invalid API key; check GREENFLASH_API_KEY"
        assert sender.pause_s() == pause_s
        clock.now_s += pause_s
    assert outbox.get_stats().pending == 3


def test_a_new_key_frees_everything(outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """What happened is told once, and once that it is over; never with the key."""
    caplog.set_level(logging.DEBUG, "greenflash_otel")
    sender = sender_of(outbox, Wire(answers(UNAUTHORISED, UNAUTHORISED)), clock)
    outbox.put([messages("one", "a"), messages("two", "b")])
    for _ in range(3):
        run(sender)
        clock.now_s += 120.0
    assert sender.paused is None
    assert outbox.get_stats().delivered == 2
    assert caplog.messages == [
        "delivery to https://a pauses: HTTP 401: Invalid API key; check GREENFLASH_API_KEY. "
        f"Captured data waits in the outbox [{PAGES['paused']}]",
        "delivery to https://a goes on after a pause (HTTP 401: Invalid API key; check GREENFLASH_API_KEY)",
    ]


@pytest.mark.parametrize(("status", "word"), [(302, "GREENFLASH_BASE_URL"), (403, "plan")])
def test_a_pause_says_what_to_do(
    status: int, word: str, outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong address is not cured by a new key."""
    sender = sender_of(outbox, Wire(answers(Answer(status))), clock)
    outbox.put([messages("one", "a")])
    run(sender)
    assert str(reason_of(sender)).startswith(f"HTTP {status}: ")
    assert word in caplog.text


def test_one_text_that_a_firewall_refuses_does_not_stop_the_others(outbox: Outbox, clock: Clock) -> None:
    """After a pause another entry is tried first, and what gets through lifts it."""
    wire = refusing({"bad"}, status=403)
    sender = sender_of(outbox, wire, clock)
    outbox.put([messages("one", "bad"), messages("two", "b"), messages("three", "c")])
    run(sender)
    clock.now_s += 60.0
    run(sender)
    assert ids_of_all(wire.sent) == ["bad", "b", "c", "bad"]
    assert sender.pause_s() == 60.0


def test_a_failure_says_nothing_about_the_key(outbox: Outbox, clock: Clock) -> None:
    """A pause is over only when an attempt gets past it."""
    sender = sender_of(outbox, Wire(answers(UNAUTHORISED, Answer(503), REFUSAL)), clock)
    outbox.put([messages("one", "a")])
    run(sender)
    clock.now_s += 60.0
    run(sender)
    assert reason_of(sender) == "HTTP 401: Invalid API key; check GREENFLASH_API_KEY"
    clock.now_s += 60.0
    run(sender)
    assert sender.paused is None


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
    assert caplog.messages == [
        "captured data for https://a cannot be delivered at present (HTTP 503); it waits in the outbox "
        f"[{PAGES['paused']}]"
    ]


QUOTING = Wire(lambda request: Answer(400, b'{"message":"content \'my password\' is bad"}'))
"""Refuses everything, in words of the user's."""


def test_a_refusal_is_logged_without_what_greenflash_said(
    outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's words can quote what a user wrote; they stay in the outbox."""
    outbox.put([messages("one", "a"), messages("two", "b")])
    run(sender_of(outbox, QUOTING, clock))
    assert caplog.messages == [
        "captured data for https://a was refused by Greenflash for good (HTTP 400); "
        f"see 'greenflash-otel outbox list' [{PAGES['paused']}]"
    ]


def test_a_pause_for_refusals_is_logged_without_what_greenflash_said(
    outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """What it said is for whoever asks for the stats."""
    outbox.put([messages(f"c{n}", f"m{n}") for n in range(5)])
    sender = sender_of(outbox, QUOTING, clock)
    run(sender)
    assert "my password" not in caplog.text
    assert caplog.messages[-1] == (
        "delivery to https://a pauses: HTTP 400 (the same for 5 conversations); stats() has the words of the "
        f"answer. Captured data waits in the outbox [{PAGES['paused']}]"
    )
    assert reason_of(sender) == "HTTP 400: content 'my password' is bad (the same for 5 conversations)"


def test_five_refusals_alike_are_not_about_their_items(outbox: Outbox, clock: Clock) -> None:
    """All become pending again, each before what came after it in its conversation."""
    outbox.put([messages(f"c{n}", f"{step}{n}") for step in "ab" for n in range(5)])
    wrong_product = Wire(lambda request: Answer(404, b'{"message":"product not found"}'))
    sender = sender_of(outbox, wrong_product, clock)
    assert run(sender) == 5
    assert (outbox.get_stats().pending, outbox.get_stats().rejected) == (10, 0)
    assert reason_of(sender) == "HTTP 404: product not found (the same for 5 conversations)"
    assert sender.pause_s() == 60.0
    clock.now_s += 60.0
    assert run(sender) == 1  # a probe, which is restored too
    assert outbox.get_stats().rejected == 0
    right = Wire()
    clock.now_s += 120.0
    wrong_product.answer = right.send
    run(sender)
    for n in range(5):
        assert [id for id in ids_of_all(right.sent) if id.endswith(str(n))] == [f"a{n}", f"b{n}"]
    assert outbox.get_stats().delivered == 10
    assert sender.paused is None


def test_one_bad_item_among_good_ones_is_rejected(outbox: Outbox, clock: Clock) -> None:
    """Five bad ones with others between them stop nothing."""
    outbox.put([messages(f"c{n}", f"{'bad' if n % 3 == 0 else 'good'}{n}") for n in range(15)])
    wire = refusing({f"bad{n}" for n in range(15)})
    sender = sender_of(outbox, wire, clock)
    assert run(sender) == 15
    assert (outbox.get_stats().delivered, outbox.get_stats().rejected) == (10, 5)
    assert sender.paused is None


def test_a_lone_refusal_where_nothing_was_ever_accepted(outbox: Outbox, clock: Clock) -> None:
    """Address or product may be wrong. Once something is accepted, the same refusal is about the item."""
    outbox.put([messages("one", "bad")])
    accepted: list[bool] = []
    sender = Sender(
        outbox, refusing({"bad"}), clock=clock, rng=lambda: 0.5, on_accepted=lambda: accepted.append(True)
    )
    run(sender)
    assert (outbox.get_stats().pending, outbox.get_stats().rejected) == (1, 0)
    assert reason_of(sender) == "HTTP 400: no"
    outbox.put([messages("two", "good"), messages("three", "good")])
    for _ in range(3):
        clock.now_s += 1000.0
        run(sender)
    assert (outbox.get_stats().delivered, outbox.get_stats().rejected, outbox.get_stats().pending) == (
        2,
        1,
        0,
    )
    assert accepted == [True]


def test_a_path_that_is_not_the_apis(outbox: Outbox, clock: Clock) -> None:
    """It was never sent. It is rejected at once, however many others meet the same."""
    outbox.put([ApiRequest("messages", "/admin", b"{}", f"c{n}") for n in range(6)])
    sender = sender_of(outbox, Wire(lambda request: Answer(None, fault="path")), clock)
    run(sender)
    assert (outbox.get_stats().rejected, sender.paused) == (6, None)
