"""A Collector may send batches again, in other cuts, to several gateways: the same talk comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.gateway.test_gateway import JSON, attributes
from tests.gateway.test_otlp import in_json

TURNS = 5
Batch = list[dict[str, Any]]


def spans() -> Batch:
    """The calls of a chat that resends its history, each as a resource of its own."""
    history: list[Message] = []
    made = []
    for turn in range(TURNS):
        history.append(Message("user", (Text(f"and {turn}?"),)))
        answer = Message("assistant", (Text(f"{turn} it is"),))
        operation = Operation("chat", ConversationContext("c"), input=tuple(history), output=(answer,))
        times = {"startTimeUnixNano": str(1_000 + turn), "endTimeUnixNano": str(1_500 + turn)}
        content = in_json(spanId=f"{turn + 1:016x}", attributes=attributes(attributes_of(operation)), **times)
        made += json.loads(content)["resourceSpans"]
        history.append(answer)
    return made


CUTS: dict[str, Callable[[Batch], list[tuple[int, Batch]]]] = {
    "span by span": lambda all: [(0, [batch_span]) for batch_span in all],
    "each twice": lambda all: [(0, [batch_span]) for batch_span in all for _ in range(2)],
    "once more from the beginning": lambda all: [(0, all), (0, all)],
    "overlapping": lambda all: [(0, all[:3]), (0, all[1:]), (0, all[2:4])],
    "by turns to two gateways": lambda all: [
        (number % 2, [batch_span]) for number, batch_span in enumerate(all)
    ],
    "everything to two gateways": lambda all: [(0, all), (1, all)],
}


def arrived(emulator: Emulator, batches: list[tuple[int, Batch]], folder: Path) -> list[tuple[Any, ...]]:
    """The conversation that comes of batches sent to gateways."""
    pipelines = [
        Pipeline(Settings(PRODUCT, api_key="gf_test", base_url=emulator.base_url, outbox=str(folder)))
        for _ in range(2)
    ]
    desks = [OtlpReceiver([Tenant(PRODUCT, pipeline)]) for pipeline in pipelines]
    with Gateway(desks[0], port=0) as one, Gateway(desks[1], port=0) as other:
        for which, batch in batches:
            content = json.dumps({"resourceSpans": batch})
            answer = httpx.post(f"{(one, other)[which].url}/v1/traces", content=content, headers=JSON)
            assert answer.status_code == 200
            assert pipelines[which].flush(10)
    for pipeline in pipelines:
        pipeline.shutdown(5)
    messages = emulator.conversation("c").messages
    return [
        (message.external_id, message.parent_external_id, message.type, message.content)
        for message in messages
    ]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_however_it_is_cut(
    cut: Callable[[Batch], list[tuple[int, Batch]]], greenflash_emulator: Emulator, tmp_path: Path
) -> None:
    """The same messages under the same ids with the same parents as in one batch."""
    with Emulator() as reference:
        expected = arrived(reference, [(0, spans())], tmp_path / "a")
    assert len(expected) == 2 * TURNS
    assert arrived(greenflash_emulator, cut(spans()), tmp_path / "b") == expected
