"""Read what Collectors put into Kafka (``otlp_proto``), for the same receiver as requests.

An offset is committed only after the outbox has everything before it. Gateways of one group share the
partitions. If one is lost, another reads again what it had not committed, which adds nothing. Spans and log
records of one trace meet in one gateway if both topics have as many partitions and the trace's id is their key:
Kafka's ``range`` assignment does that. Needs the extra ``kafka``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

from greenflash_otel import internal_errors
from greenflash_otel.gateway.receiver import PRODUCT_HEADER, OtlpReceiver, RequestMetadata
from greenflash_otel.gateway.responses import RefusedError
from greenflash_otel.gateway.signals import Signal

confluent_kafka: Any = import_module("confluent_kafka")
logger = logging.getLogger("greenflash_otel.kafka")

AT_ONCE = 100
"""Messages taken between two commits."""
POLL_S = 0.5
RETRY_AFTER_S = 2.0
OPTIONS: Mapping[str, object] = {
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": "range",
    "topic.metadata.refresh.interval.ms": 10_000,
}
"""What can be set otherwise."""
COMMITS: Mapping[str, object] = {"enable.auto.commit": False, "enable.auto.offset.store": False}
"""What cannot."""

Place: TypeAlias = tuple[str, int]
"""A topic and a partition of it."""


@dataclass
class Progress:
    """What became of some messages."""

    done: dict[Place, int] = field(default_factory=dict)
    """Up to which offset, itself not included, all is stored."""
    back: dict[Place, int] = field(default_factory=dict)
    """From which offset on it has to be read again."""


def take_all(messages: Iterable[Any], store: Callable[[Any], bool]) -> Progress:
    """Take messages in order; a partition of which one could not be taken waits there."""
    progress = Progress()
    for message in messages:
        place = message.topic(), message.partition()
        if place in progress.back:
            continue
        if store(message):
            progress.done[place] = message.offset() + 1
        else:
            progress.back[place] = message.offset()
    return progress


class KafkaReader:
    """Read topics for a receiver. As a context, it runs in a thread.

    Args:
        topics: What is in which.
        options: Of librdkafka; ``bootstrap.servers`` and ``group.id`` are needed.
    """

    def __init__(
        self, receiver: OtlpReceiver, topics: Mapping[str, Signal], options: Mapping[str, str]
    ) -> None:
        self._receiver = receiver
        self._topics = topics
        self._options = {**OPTIONS, **options, **COMMITS}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="greenflash-otel kafka", daemon=True)

    def __enter__(self) -> KafkaReader:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with internal_errors.guarded("read from Kafka"):
                self._read()
            self._stopping.wait(RETRY_AFTER_S)

    def _read(self) -> None:
        consumer = confluent_kafka.Consumer(self._options, logger=logger)
        try:
            consumer.subscribe(list(self._topics))
            while not self._stopping.is_set():
                self.read_once(consumer)
        finally:
            consumer.close()

    def read_once(self, consumer: Any) -> None:
        """Take what has come, and commit what is stored."""
        messages = []
        for message in consumer.consume(AT_ONCE, POLL_S):
            if message.error() is None:
                messages.append(message)
            else:  # e.g. a topic that nobody has written to yet; librdkafka goes on by itself
                internal_errors.count("read from Kafka", confluent_kafka.KafkaException(message.error()))
        progress = take_all(messages, self._take)
        if progress.done:
            with internal_errors.guarded(
                "commit to Kafka"
            ):  # somebody else has the partition now: read there again
                consumer.commit(offsets=_list_offsets(progress.done), asynchronous=False)
        for offset in _list_offsets(progress.back):
            with internal_errors.guarded("go back in Kafka"):
                consumer.seek(offset)
        if progress.back:
            self._stopping.wait(RETRY_AFTER_S)

    def _take(self, message: Any) -> bool:
        """Return whether a message is dealt with: stored, or one that can never be read."""
        content = message.value() or b""
        headers = {name.lower(): value for name, value in message.headers() or []}
        product = headers.get(PRODUCT_HEADER) or b""
        metadata = RequestMetadata(product_id=product.decode(errors="replace"), is_trusted=True)
        try:
            self._receiver.take(self._topics[message.topic()], content, metadata, as_json=content[:1] == b"{")
        except RefusedError as refused:
            if refused.status.is_temporary:
                return False
            self._receiver.count("messages of Kafka that cannot be read", 1)
            internal_errors.count_lost("unreadable")
            internal_errors.warn_once(
                f"a message of {message.topic()} in Kafka is passed over: {refused.message}"
            )
        return True


def _list_offsets(places: Mapping[Place, int]) -> list[Any]:
    return [confluent_kafka.TopicPartition(*place, offset) for place, offset in places.items()]
