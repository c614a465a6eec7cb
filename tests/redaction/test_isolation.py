"""A redaction function runs apart: what it asks a model is not captured, and it may be async."""

from __future__ import annotations

import asyncio
import contextvars
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider

import greenflash_otel as greenflash
from greenflash_otel import internal_errors
from greenflash_otel.ingest.redaction import Redaction
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.redaction import isolation
from greenflash_otel.redaction.isolation import IsolatedRedact
from greenflash_otel.redaction.redact import FAILED, Redact
from greenflash_otel.suppression import is_redacting, is_suppressed
from greenflash_otel.testing import Emulator
from tests.chat import client_saying, completion
from tests.conftest import PRODUCT
from tests.instrumentation.openai.http import http
from tests.test_marks import MARK, SAID
from tests.test_process import say


def start(emulator: Emulator, redact: Redact, **settings: Any) -> greenflash.Pipeline:
    return greenflash.instrument(
        api_key="gf_test",
        product_id=PRODUCT,
        base_url=emulator.base_url,
        outbox=":memory:",
        redact=redact,
        **settings,
    )


class Model:
    """A model that cleans texts, behind real clients."""

    def __init__(self) -> None:
        self.calls = 0

    def _answer(self, request: Any) -> Any:
        self.calls += 1
        return http.Response(200, json=completion("clean", json.loads(request.content)["model"]))

    def client(self) -> openai.OpenAI:
        transport = http.Client(transport=http.MockTransport(self._answer))
        return openai.OpenAI(api_key="sk-test", http_client=transport, max_retries=0)

    def async_client(self) -> openai.AsyncOpenAI:
        transport = http.AsyncClient(transport=http.MockTransport(self._answer))
        return openai.AsyncOpenAI(api_key="sk-test", http_client=transport, max_retries=0)


def _directly(model: Model) -> Redact:
    client = model.client()

    def redact(text: str, path: str) -> str:
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        return str(answer.choices[0].message.content)

    return redact


def _async(model: Model) -> Redact:
    client = model.async_client()

    async def redact(text: str, path: str) -> str:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        return str(answer.choices[0].message.content)

    return redact


def _in_a_task(model: Model) -> Redact:
    ask = _async(model)

    async def redact(text: str, path: str) -> str:
        answer = ask(text, path)
        return await asyncio.create_task(answer)  # type: ignore[arg-type]

    return redact


def _in_a_thread(model: Model) -> Redact:
    ask = _directly(model)

    async def redact(text: str, path: str) -> str:
        return str(await asyncio.to_thread(ask, text, path))

    return redact


def _in_a_thread_of_its_own(model: Model) -> Redact:
    ask = _directly(model)

    def redact(text: str, path: str) -> str:
        found: list[Any] = []
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: found.append(context.run(ask, text, path)))
        thread.start()
        thread.join()
        return str(found[0])

    return redact


def _through_langchain(model: Model) -> Redact:
    chat = pytest.importorskip("langchain_openai").ChatOpenAI(
        model="m", api_key="sk-test", http_client=model.client()._client, max_retries=0
    )
    return lambda text, path: str(chat.invoke(text).content)


def _through_async_langchain(model: Model) -> Redact:
    chat = pytest.importorskip("langchain_openai").ChatOpenAI(
        model="m", api_key="sk-test", http_async_client=model.async_client()._client, max_retries=0
    )

    async def redact(text: str, path: str) -> str:
        return str((await chat.ainvoke(text)).content)

    return redact


@pytest.mark.parametrize(
    "make",
    [
        _directly,
        _async,
        _in_a_task,
        _in_a_thread,
        _in_a_thread_of_its_own,
        _through_langchain,
        _through_async_langchain,
    ],
)
def test_what_redaction_asks_is_not_captured(
    make: Callable[[Model], Redact], greenflash_emulator: Emulator
) -> None:
    """One call of the application is one conversation; the model is asked once for each text."""
    model, texts = Model(), list[str]()
    ask = make(model)

    def count(text: str, path: str) -> str | Awaitable[str]:
        texts.append(text)
        return ask(text, path)

    pipeline = start(greenflash_emulator, count)
    with greenflash.conversation("c1", user_id="ada"):
        say("an answer", "a question of ada@example.com")
    assert pipeline.flush(10)
    [stored] = greenflash_emulator.conversations()
    assert [message.content for message in stored.messages] == ["clean", "clean"]
    assert len(texts) == model.calls > 0
    assert pipeline.flush(10)
    assert len(texts) == model.calls, "nothing more comes of it"


def test_spans_of_instrumentations_that_know_no_key(greenflash_emulator: Emulator) -> None:
    """They are passed over, by the context they began in."""
    provider = TracerProvider(shutdown_on_exit=False)

    def redact(text: str, path: str) -> str:
        provider.get_tracer("theirs").start_span("chat", attributes={**MARK, **SAID}).end()
        return "clean"

    pipeline = start(greenflash_emulator, redact, tracer_provider=provider)
    with greenflash.conversation("c1"):
        say("an answer", "a question")
    for _ in range(3):
        assert pipeline.flush(10)
    assert [conversation.external_id for conversation in greenflash_emulator.conversations()] == ["c1"]
    assert pipeline.stats().accepted == 2


def test_the_context_of_redaction() -> None:
    """Instrumentations are quiet in it; no conversation, span or baggage of the application is active."""
    seen: list[Any] = []

    def redact(text: str, path: str) -> str:
        seen.append((is_redacting(), is_suppressed(), greenflash.current_conversation()))
        seen.append((trace.get_current_span().get_span_context().is_valid, dict(baggage.get_all())))
        otel_context.attach(baggage.set_baggage("left", "behind"))
        return text

    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    with greenflash.conversation("c1"), tracer.start_as_current_span("s"):
        before = otel_context.get_current()
        assert IsolatedRedact(redact)("text", "path") == "text"
        assert otel_context.get_current() is before
    assert seen == [(True, True, None), (False, {})]
    assert not is_redacting()


async def _upper(text: str, path: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


def test_an_async_function_needs_no_loop() -> None:
    """It runs from plain code, from a thread, and from a coroutine of the application."""
    redact = IsolatedRedact(_upper)
    assert redact("plain", "p") == "PLAIN"

    async def application() -> list[str]:
        return [
            redact("inside", "p"),
            *(await asyncio.gather(*(asyncio.to_thread(redact, t, "p") for t in "ab"))),
        ]

    assert asyncio.run(application()) == ["INSIDE", "A", "B"]


def test_one_loop_for_all_texts() -> None:
    """A client's connections belong to the loop they were made in, so it stays the same."""
    loops = set[int]()

    async def redact(text: str, path: str) -> str:
        loops.add(id(asyncio.get_running_loop()))
        return text

    for make in range(3):
        IsolatedRedact(redact)(str(make), "p")
    assert len(loops) == 1


class CallableObject:
    """A redaction function that is an object."""

    async def __call__(self, text: str, path: str) -> str:
        return text.upper()


def test_an_object_that_is_async() -> None:
    """What comes back decides, not what kind of function it is."""
    assert IsolatedRedact(CallableObject())("text", "p") == "TEXT"


async def _raises(text: str, path: str) -> str:
    raise ValueError(text)


async def _is_cancelled(text: str, path: str) -> str:
    raise asyncio.CancelledError


async def _never_ends(text: str, path: str) -> str:
    await asyncio.Event().wait()
    return text


async def _returns_nothing(text: str, path: str) -> Any:
    return None


def _interrupts(text: str, path: str) -> str:
    raise KeyboardInterrupt


def _waits_for_itself() -> Redact:
    async def redact(text: str, path: str) -> str:
        return IsolatedRedact(_upper)(text, path)

    return redact


@pytest.mark.parametrize(
    "redact", [_raises, _is_cancelled, _never_ends, _returns_nothing, _interrupts, _waits_for_itself()]
)
def test_what_fails_hides_the_text(redact: Redact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong, the text is replaced, it is counted, and the thread lives on."""
    monkeypatch.setattr(isolation, "ASYNC_LIMIT_S", 0.05)
    before, found = internal_errors.get_internal_errors().get("redact a text", 0), list[Outcome]()
    outcome = Outcome("paid", "secret", 1, "id")
    thread = threading.Thread(target=lambda: found.append(Redaction(redact).redact_outcome(outcome)))
    thread.start()
    thread.join()
    assert [(outcome.event_type, outcome.value) for outcome in found] == [(FAILED, FAILED)]
    assert internal_errors.get_internal_errors()["redact a text"] == before + 2


def test_a_person_can_interrupt() -> None:
    """Ctrl+C on the main thread is theirs, whatever runs there."""
    with pytest.raises(KeyboardInterrupt):
        Redaction(_interrupts).redact_outcome(Outcome("paid", "secret", 1, "id"))


FORKS = """
import asyncio, os, sys
from greenflash_otel.redaction.isolation import IsolatedRedact

async def upper(text, path):
    await asyncio.sleep(0)
    return text.upper()

redact = IsolatedRedact(upper)
assert redact("before", "p") == "BEFORE"
child = os.fork()
assert redact("after", "p") == "AFTER"
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child() -> None:
    """It has no thread of its parent's, and starts one of its own."""
    command = [sys.executable, "-W", "ignore", "-c", FORKS]
    subprocess.run(command, check=True, timeout=30, cwd=Path(__file__).parents[2])


def test_an_identifier_stays() -> None:
    """What Greenflash links by is not redacted, and neither is a number."""
    outcome = Outcome("paid", "149.00", 1, "order-1", "currency", conversation_id="c", user_id="ada")
    changed = Redaction(lambda text, path: "").redact_outcome(outcome)
    assert (changed.insert_id, changed.conversation_id, changed.user_id) == ("order-1", "c", "ada")
    assert changed.value == "149.00"
    assert changed.event_type == FAILED, "an event must have a type"


def test_the_clients_are_captured_elsewhere(greenflash_emulator: Emulator) -> None:
    """The same client outside of redaction is captured: the tests above would notice."""
    pipeline = start(greenflash_emulator, lambda text, path: text)
    with greenflash.conversation("c1"):
        Model().client().chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        client_saying(["ho"]).chat.completions.create(model="m", messages=[{"role": "user", "content": "he"}])
    assert pipeline.flush(10)
    assert pipeline.stats().accepted == 4
