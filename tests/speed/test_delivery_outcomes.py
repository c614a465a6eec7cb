"""What an outcome costs: little on the caller's thread, one commit, and nothing that came behind it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import greenflash_otel as greenflash
from greenflash_otel.delivery.batcher import Work
from greenflash_otel.delivery.outbox import Outbox
from tests.chat import client_saying
from tests.conftest import PRODUCT
from tests.delivery.making import ListSpill, make_delivery
from tests.speed.counting import count
from tests.speed.sql_counting import Statements

CALLS_MOST = 140
"""Of functions of ours on the caller's thread, per outcome; 95 where no run of LangChain is open."""
ELSEWHERE = (
    "conversations",
    "semconv",
    "ingest.ingest",
    "ingest.attachment",
    "message_ids",
    "greenflash_api",
)
"""Packages that convert. None of them works on the caller's thread."""


def test_the_callers_thread_converts_nothing(tmp_path: Path) -> None:
    """Neither the outcome nor the calls before it; and it calls few functions of ours."""
    greenflash.instrument(product_id=PRODUCT, outbox=tmp_path)
    client = client_saying(iter(lambda: "Yes.", ""))

    def talk() -> None:
        with greenflash.conversation("chat"):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Shoes?"}])

    greenflash.record_outcome("upgrade", conversation_id="chat")
    talk()
    counts = count(lambda: greenflash.record_outcome("upgrade", conversation_id="chat"))
    assert not [module for module in counts.modules if module.startswith(ELSEWHERE)]
    assert counts.total <= CALLS_MOST
    greenflash.shutdown(0)


def test_an_outcome_and_all_before_it_are_one_commit(tmp_path: Path, statements: Statements) -> None:
    """Also many calls, which nobody has converted yet."""
    pipeline = greenflash.instrument(product_id=PRODUCT, outbox=tmp_path)
    client = client_saying(iter(lambda: "Yes.", ""))
    greenflash.record_outcome("upgrade", conversation_id="chat")
    statements.clear()
    gate = threading.Event()
    pipeline._delivery.run_behind(lambda: gate.wait(60.0))
    with greenflash.conversation("chat"):
        for _ in range(5):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Shoes?"}])
    recording = threading.Thread(target=lambda: greenflash.record_outcome("upgrade", conversation_id="chat"))
    recording.start()
    while not any(isinstance(item, Work) for item, _ in list(pipeline._delivery.batcher._items)):
        recording.join(0.001)
    gate.set()
    recording.join(60.0)
    assert statements.commits == 1
    greenflash.shutdown(0)


def test_no_span_is_made_for_nobody() -> None:
    """Where only our own pipeline reads spans, it has the outcome already; an application's provider gets one."""
    greenflash.instrument(product_id=PRODUCT, outbox=":memory:")
    counts = count(lambda: greenflash.record_outcome("upgrade", conversation_id="chat"))
    assert not counts.modules["exporter"]
    greenflash.shutdown(0)
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    greenflash.instrument(product_id=PRODUCT, outbox=":memory:", tracer_provider=provider)
    greenflash.record_outcome("upgrade", conversation_id="chat")
    assert len(exporter.get_finished_spans()) == 1
    assert greenflash.stats().accepted == 1
    greenflash.shutdown(0)


def test_what_comes_behind_does_not_delay_it(tmp_path: Path) -> None:
    """A batch ends with what somebody waits for, however much waits behind it."""
    outbox = Outbox(tmp_path)
    batches: list[list[object]] = []
    gate, busy = threading.Event(), threading.Event()

    def gather(batch: list[object]) -> None:
        batches.append(batch)
        busy.set()
        gate.wait(60.0)

    worker = make_delivery(outbox, None, gather=gather, spill=ListSpill(outbox))
    worker.submit("first")
    assert busy.wait(60.0)
    done: list[Work] = []
    for n in range(3):
        worker.submit(f"before {n}")
        done.append(worker.run_behind(lambda: len(batches)))
        worker.submit(f"behind {n}")
    gate.set()
    assert all(worker.batcher.wait(work, 60.0) for work in done)
    assert [work.result for work in done] == [2, 3, 4]
    assert batches[1:4] == [["before 0"], ["behind 0", "before 1"], ["behind 1", "before 2"]]
    worker.close(1.0)


def test_who_waits_is_woken_by_the_commit(tmp_path: Path) -> None:
    """The writer completes it, before the thread that converts learns of the commit."""
    greenflash.instrument(product_id=PRODUCT, outbox=tmp_path)
    pipeline = greenflash.runtime.find_active_pipeline()
    assert pipeline is not None
    woken: list[str] = []
    batcher = pipeline._delivery.batcher
    process = batcher._process

    def process_noted(items: list[Any], up_to_id: int) -> None:
        process(items, up_to_id)
        woken.extend(str(item.ticket.is_complete) for item in items if isinstance(item, Work))

    batcher._process = process_noted
    greenflash.record_outcome("upgrade", conversation_id="chat")
    greenflash.flush(0.0)
    assert woken[0] == "True"
    greenflash.shutdown(0)
