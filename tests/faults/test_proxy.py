"""A worker, a bad network and the emulator: what was put arrives, once and in order."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.greenflash_api.request import ApiRequest, encode
from greenflash_otel.model.operation import Json
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.delivery.making import make_delivery
from tests.faults.proxy import FAULTS, Fault, Proxy, pass_on, repeat_late, stall, swallow, twice

CHATS, TURNS = 3, 4


def message(chat: str, turn: int) -> ApiRequest:
    """A message of a chat, as Greenflash wants it."""
    item: dict[str, Json] = {
        "externalMessageId": f"{chat}-{turn}",
        "role": "user",
        "content": f"{chat} says {turn}",
    }
    body: dict[str, Json] = {
        "productId": PRODUCT,
        "externalUserId": "ada",
        "externalConversationId": chat,
        "messages": [{**item, "createdAt": f"2026-11-21T08:00:{turn:02}.000Z"}],
    }
    return ApiRequest("messages", "/messages", encode(body), chat)


def delivered_through(proxy: Proxy, *, timeout_s: float = 0.3) -> bool:
    """Send some chats through a proxy; whether all was answered for."""
    outbox = Outbox(":memory:")
    client = Client(f"http://127.0.0.1:{proxy.port}/api/v1", "gf_test", timeout_s=timeout_s)
    worker = make_delivery(outbox, client, gather=lambda batch: None, rng=lambda: 0.1)
    try:
        for chat, turn in itertools.product(range(CHATS), range(TURNS)):
            outbox.put([message(f"chat{chat}", turn)])
        return worker.flush(30)
    finally:
        worker.close(0)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_one_request_in_three_has_a_fault(fault: Fault, greenflash_emulator: Emulator) -> None:
    """Every message arrives once and in order, however the network harms some of the requests."""
    in_turn = itertools.cycle([fault, pass_on, pass_on])
    with Proxy(lambda: greenflash_emulator.port, lambda: next(in_turn)) as proxy:
        assert delivered_through(proxy)
    for conversation in greenflash_emulator.conversations():
        texts = [message.content for message in conversation.messages]
        assert texts == [f"{conversation.external_id} says {turn}" for turn in range(TURNS)]
    assert len(greenflash_emulator.conversations()) == CHATS
    assert proxy.done[fault.__name__] >= sum(proxy.done.values()) // 3 >= CHATS // 3


def test_a_request_is_repeated_only_where_its_fate_is_unknown(greenflash_emulator: Emulator) -> None:
    """What the server has seen more than once is what the network hid or doubled, and no more."""
    in_turn = itertools.cycle([stall, pass_on, twice, swallow, repeat_late, pass_on])
    with Proxy(lambda: greenflash_emulator.port, lambda: next(in_turn)) as proxy:
        assert delivered_through(proxy)
    times = Counter(
        message["externalMessageId"]
        for request in greenflash_emulator.requests()
        for message in request.body["messages"]
    )
    assert len(times) == CHATS * TURNS
    doubled = proxy.done["stall"] + proxy.done["twice"] + 2 * proxy.done["repeat_late"]
    assert sum(times.values()) - len(times) <= doubled * TURNS  # a request may have all messages of a chat
    assert proxy.done["repeat_late"] > 0
