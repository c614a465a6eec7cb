"""What the reader of Kafka commits, and where it goes back, with a stand-in for the consumer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from greenflash_otel.gateway.kafka import COMMITS, KafkaReader, take_all
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.signals import LOGS, TRACES
from tests.conftest import PRODUCT
from tests.gateway.test_gateway import Taker
from tests.gateway.test_logs import IDS, in_protobuf
from tests.gateway.test_otlp import in_json
from tests.gateway.test_receiver import HATS, SHOES, request

TOPICS = {"spans": TRACES, "logs": LOGS}


@dataclass(frozen=True)
class Message:
    """As confluent-kafka gives one."""

    number: int
    content: bytes | None = in_json()
    place: tuple[str, int] = ("spans", 0)
    failure: str | None = None
    headers_: Sequence[tuple[str, bytes]] = ()

    def topic(self) -> str:
        return self.place[0]

    def partition(self) -> int:
        return self.place[1]

    def offset(self) -> int:
        return self.number

    def value(self) -> bytes | None:
        return self.content

    def error(self) -> str | None:
        return self.failure

    def headers(self) -> Sequence[tuple[str, bytes]]:
        return self.headers_


@dataclass
class Consumer:
    """Gives messages once, and notes what it is told."""

    messages: Sequence[Message]
    told: list[tuple[str, str, int, int]] = field(default_factory=list)

    def consume(self, number: int, timeout_s: float) -> Sequence[Message]:
        return self.messages

    def commit(self, *, offsets: Sequence[Any], asynchronous: bool) -> None:
        assert not asynchronous
        self.told += [("commit", offset.topic, offset.partition, offset.offset) for offset in offsets]

    def seek(self, offset: Any) -> None:
        self.told.append(("seek", offset.topic, offset.partition, offset.offset))


def step(
    taker: Taker, *messages: Message, receiver: OtlpReceiver | None = None
) -> list[tuple[str, str, int, int]]:
    """What the consumer is told after some messages."""
    consumer = Consumer(messages)
    reader = KafkaReader(receiver or OtlpReceiver([Tenant(PRODUCT, taker)], tokens=["token"]), TOPICS, {})
    reader._stopping.set()  # no waiting
    reader.read_once(consumer)
    return consumer.told


def test_all_is_kept() -> None:
    """One commit a partition, behind its last message, without a token; log records go their way."""
    taker = Taker(True)
    log = Message(9, in_protobuf(**IDS), ("logs", 1))
    assert step(taker, Message(3), Message(4), log) == [("commit", "spans", 0, 5), ("commit", "logs", 1, 10)]
    assert [record.name for record in taker.taken] == ["chat", "chat", "log"]


def test_nothing_is_kept() -> None:
    """Nothing is committed; it is read again from the first on."""
    assert step(Taker(False), Message(3), Message(4)) == [("seek", "spans", 0, 3)]
    assert step(Taker(ZeroDivisionError()), Message(7)) == [("seek", "spans", 0, 7)]


@pytest.mark.parametrize("content", [b"{", b"\x0a\xff"])
def test_what_nobody_can_read(content: bytes) -> None:
    """It is counted and passed over, and does not keep the others back."""
    taker = Taker(True)
    receiver = OtlpReceiver([Tenant(PRODUCT, taker)])
    assert step(taker, Message(1, content), Message(2), receiver=receiver) == [("commit", "spans", 0, 3)]
    assert receiver.count_unused() == {"messages of Kafka that cannot be read": 1}
    assert len(taker.taken) == 1


def test_trouble_of_kafka() -> None:
    """An error among the messages, and a message without content."""
    taker = Taker(True)
    assert step(taker, Message(0, failure="no such topic"), Message(1, None)) == [("commit", "spans", 0, 2)]
    assert taker.taken == []


def test_several_products() -> None:
    """A header of the message names one."""
    shoes, hats = Taker(True), Taker(True)
    receiver = OtlpReceiver([Tenant(SHOES, shoes, ["s"]), Tenant(HATS, hats, ["h"])], owned=False)
    named = Message(1, request(None), headers_=[("X-Greenflash-Product-Id", HATS.encode())])
    step(shoes, named, Message(2, request(SHOES)), receiver=receiver)
    assert (len(shoes.taken), len(hats.taken)) == (1, 1)


def test_a_partition_waits_and_others_go_on() -> None:
    """Order within a partition is kept."""
    messages = [Message(1), Message(2), Message(3), Message(8, place=("spans", 1))]
    progress = take_all(messages, lambda message: message.number != 2)
    assert progress.done == {("spans", 0): 2, ("spans", 1): 9}
    assert progress.back == {("spans", 0): 2}


def test_nobody_else_commits() -> None:
    """Whatever is configured: commits are ours."""
    reader = KafkaReader(OtlpReceiver([Tenant(PRODUCT, Taker(True))]), TOPICS, {"enable.auto.commit": "true"})
    assert {name: reader._options[name] for name in COMMITS} == COMMITS
