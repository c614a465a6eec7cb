"""A process that is killed, and the next one with the same outbox: nothing lost, nothing told twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import greenflash_otel as greenflash
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.ingest.sampling import Sampler
from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    ConversationContext,
    Failure,
    Json,
    Media,
    Message,
    Operation,
    Part,
    PromptTemplate,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.redaction.operations import redact_operation
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.testing import Emulator
from tests.api.wire import ADDRESS
from tests.conftest import PRODUCT
from tests.strategies import span_of

ROOT = Path(__file__).parents[1]
SECRET = "4111-1111"


@contextmanager
def process(
    folder: Path, redact: Redact | None = None, rate: float | None = None
) -> Iterator[tuple[Ingest, Outbox]]:
    """A process that is killed when the block ends: it settles nothing."""
    outbox = Outbox(folder)
    store = ConversationStore(reader=outbox)
    sampler = None if rate is None else Sampler(rate, store.index.always_sampled)
    yield Ingest(outbox, ADDRESS, redact, conversations=store, sampler=sampler), outbox
    outbox.close()


def sent(outbox: Outbox) -> list[dict[str, Any]]:
    """The messages that wait, in order; they wait no more."""
    found: list[dict[str, Any]] = []
    while (entry := outbox.claim_next(0.0)) is not None:
        found += json.loads(entry.request.body).get("messages", [])
        outbox.acknowledge(entry)
    return found


def span(operation: Operation, number: int = 1) -> SpanRecord:
    """A span of its own."""
    return span_of(attributes_of(operation), number=number, trace=number)


def said(number: int, text: str = "yes", *, whose: str = "chat") -> Operation:
    """A call in which the user says something for the nth time, and gets an answer in a word."""
    return Operation(
        "chat",
        ConversationContext(whose),
        system_instructions=(Text("Answer with a word."),),
        input=(Message("user", (Text(f"{number}: my card is {SECRET}"),)),),
        output=(Message("assistant", (Text(text),)),),
    )


def test_an_answer_in_doubt_is_told_by_the_next_process(tmp_path: Path) -> None:
    """On disk it is redacted, and so is what is told."""

    def redact(text: str, path: str) -> str:
        return text.replace(SECRET, "[card]")

    with process(tmp_path, redact) as (intake, outbox):
        intake.take([span(said(1))])
        assert sent(outbox) == []
        assert SECRET.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    with process(tmp_path, redact) as (intake, outbox):
        intake.emit_all_waiting()
        assert [message["content"] for message in sent(outbox)] == ["1: my card is [card]", "yes"]
    with process(tmp_path, redact) as (intake, outbox):
        intake.emit_all_waiting()
        assert sent(outbox) == []


def test_a_tool_that_waits_is_told_under_its_call(tmp_path: Path) -> None:
    """Whichever process sees the call."""
    tool = Operation(EXECUTE_TOOL, tool=ToolExecution("search", "call_1", {"q": "shoes"}, "none"))
    call = replace(said(2), output=(Message("assistant", (ToolCall("search", {"q": "shoes"}, "call_1"),)),))
    with process(tmp_path) as (intake, _):
        intake.take([span(tool)])
    with process(tmp_path) as (intake, outbox):
        intake.take([span(call, 2)])
        _, asked, found = sent(outbox)
    assert (found["messageType"], found["output"]) == ("observation", {"result": "none"})
    assert found["parentExternalMessageId"] == asked["externalMessageId"]


def test_what_another_process_left_waits_here(tmp_path: Path) -> None:
    """It is adopted while this one runs, and told at its end at the latest."""
    with process(tmp_path) as (intake, outbox):
        other = Outbox(tmp_path)
        Ingest(other, ADDRESS, conversations=ConversationStore(reader=other)).take([span(said(1))])
        other.close()
        outbox.adopt()
        intake.emit_all_waiting()
        assert len(sent(outbox)) == 2


def test_sampling_goes_on_as_before(tmp_path: Path) -> None:
    """A conversation that an outcome made one to keep stays one; of another nothing is noted as told."""
    with process(tmp_path, rate=0.0) as (intake, outbox):
        intake.take([span(said(n, "a longer answer", whose=whose), n) for n, whose in ((1, "a"), (2, "b"))])
        intake.take_outcome(Outcome("upgrade", "1", 1, "i", conversation_id="a"), ConversationContext(), None)
        assert len(sent(outbox)) == 2
    with process(tmp_path, rate=0.0) as (intake, outbox):
        intake.take([span(said(3, "a longer answer", whose=whose), n) for n, whose in ((3, "a"), (4, "b"))])
        assert len(sent(outbox)) == 2
        intake.take([span(said(2, "a longer answer", whose="b"), 2)])  # again, for it was lost
        intake.take_outcome(Outcome("upgrade", "1", 1, "j", conversation_id="b"), ConversationContext(), None)
        assert len(sent(outbox)) == 4


PARTS: tuple[Part, ...] = (
    Text(SECRET),
    Reasoning(SECRET),
    ToolCall("t", {"q": SECRET}, "c"),
    ToolCallResponse({"r": [SECRET]}, "c"),
    ServerToolCall("t", {"q": SECRET}, "c"),
    ServerToolCallResponse({"r": SECRET}, "c"),
    Media("image", uri=SECRET, transcript=SECRET),
)


def test_every_text_of_what_waits_is_redacted() -> None:
    """And nothing else is changed."""
    operation = Operation(
        "chat",
        ConversationContext("chat", "ada", properties={"p": SECRET}),
        system_instructions=(Text(SECRET),),
        prompt=PromptTemplate("p", variables={"v": SECRET}, template=SECRET),
        input=(Message("user", PARTS), Message("developer", (Text(SECRET),))),
        output=(Message("assistant", PARTS),),
        tool=ToolExecution("t", "c", {"q": SECRET}, SECRET),
        failure=Failure("E", SECRET),
        properties={"p": SECRET},
    )

    def clean(value: Json, path: str) -> Json:
        text = json.dumps(value)
        assert SECRET in text
        found: Json = json.loads(text.replace(SECRET, "#"))
        return found

    hidden = repr(redact_operation(operation, clean))
    assert hidden == repr(operation).replace(SECRET, "#")
    assert hidden.count("#") == 25


TALK = """
import sys
import greenflash_otel as greenflash
from tests.chat import client_saying
greenflash.instrument()
with greenflash.conversation("c"):
    messages = [{"role": "system", "content": "Answer with a word."}, {"role": "user", "content": "Shoes?"}]
    client_saying(["yes"]).chat.completions.create(model="m", messages=messages)
    greenflash.record_outcome("upgrade")  # is kept when it returns, and all that was before it
print("said", flush=True)
sys.stdin.read()
"""


def test_a_whole_process_is_killed(greenflash_itself: Emulator, tmp_path: Path) -> None:
    """With ``kill -9``, a moment after an answer that is still in doubt: the next one tells it."""
    settings = {"GREENFLASH_PRODUCT_ID": PRODUCT, "GREENFLASH_OUTBOX": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", TALK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **settings},
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "said\n"
        running.kill()
    pipeline = greenflash.instrument(
        api_key="gf_test", product_id=PRODUCT, base_url=greenflash_itself.base_url, outbox=tmp_path
    )
    assert pipeline.flush(10)
    stored = greenflash_itself.conversation("c")
    assert [message.content for message in stored.messages] == ["Shoes?", "yes"]
    assert [outcome.event_type for outcome in stored.outcomes] == ["upgrade"]
