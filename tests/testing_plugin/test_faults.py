"""A user's test of how their application behaves when Greenflash does not answer as it should."""

from __future__ import annotations

import time

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import CapturedConversations, Emulator, GreenflashFaults
from tests.conftest import PRODUCT


def say(id: str = "chat-1") -> None:
    with greenflash.conversation(id, user_id="ada"):
        greenflash.record_message("user", "hello")
        greenflash.record_outcome("upgrade", "1")


def test_what_fails_for_a_while_arrives(
    greenflash_conversations: CapturedConversations, greenflash_faults: GreenflashFaults
) -> None:
    greenflash_faults.reject("/events", 503, times=2)
    say()
    assert len(greenflash_conversations.wait_for("chat-1", outcomes=1).outcomes) == 1


def test_a_hanging_request_costs_the_application_no_time(
    greenflash_conversations: CapturedConversations, greenflash_faults: GreenflashFaults
) -> None:
    """What hangs is not stored; once released, it is."""
    waiting = greenflash_faults.hang("/messages")
    began_s = time.monotonic()
    say()
    assert waiting.arrived.wait(5)
    assert time.monotonic() - began_s < 5
    with pytest.raises(AssertionError, match="no conversation 'chat-1'"):
        greenflash_conversations.wait_for("chat-1", timeout=0.1)
    waiting.release()
    assert greenflash_conversations.wait_for("chat-1").visible == ["ada: hello"]


def test_what_still_hangs_ends_with_the_test(
    greenflash_conversations: CapturedConversations, greenflash_faults: GreenflashFaults
) -> None:
    waiting = greenflash_faults.hang()
    say()
    assert waiting.arrived.wait(5)


def test_the_server_fails_on_the_same_order(
    greenflash_emulator: Emulator, greenflash_faults: GreenflashFaults
) -> None:
    """A rejection is one where something was accepted before; else delivery pauses."""
    greenflash.instrument(
        base_url=greenflash_emulator.base_url, api_key="gf_test", product_id=PRODUCT, frameworks=()
    )
    say()
    assert greenflash.flush(5)
    greenflash_faults.reject("/messages", 400, message="on order")
    with greenflash.conversation("chat-2"):
        greenflash.record_message("user", "hello")
    greenflash.flush(5)  # True if the rejection was before it: nothing was pending then
    assert greenflash.stats().rejected == 1
    assert [chat.external_id for chat in greenflash_emulator.conversations()] == ["chat-1"]
