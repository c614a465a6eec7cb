"""Streams that nobody ended: dropped in a bad moment, open at exit, copied by a fork."""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.openai.body import JsonBody
from tests.instrumentation.openai.played_sync import CHAT, read_two
from tests.instrumentation.openai.replies import TEXT, chunks
from tests.instrumentation.openai.server import Server, events
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    held = events(chunks(finished=False), "hold")
    with Server(held, held) as server, openai.OpenAI(api_key="k", base_url=server.url) as made:
        yield made


def drop_a_stream(client: Any) -> None:
    """Read a part of a stream and forget it; only the garbage collector finds it."""
    read_two(client.chat.completions.create(**CHAT, stream=True))


def test_the_end_is_when_the_last_byte_came(spans: Spans, client: openai.OpenAI) -> None:
    """However late the garbage collector is, the span ends with what was read."""
    gc.disable()
    try:
        drop_a_stream(client)
        dropped_ns = time.time_ns()
        assert not spans.all()
    finally:
        gc.enable()
    gc.collect()
    (span,) = spans.all()
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time < span.end_time <= dropped_ns


@pytest.mark.parametrize("module", open_operations.BUSY)
def test_these_modules_exist(module: str) -> None:
    """A module that is renamed must be renamed there too, or nobody would wait for it any more."""
    assert importlib.util.find_spec(module.rstrip(".")) is not None


@pytest.mark.parametrize("module", open_operations.TAKES_LOCKS)
def test_dropped_while_locks_may_be_held(module: str, spans: Spans, client: openai.OpenAI) -> None:
    """Found by a garbage collection inside code that ending a span may have to wait for, it waits."""
    drop_a_stream(client)
    exec("gc.collect()", {"__name__": f"{module}.inner", "gc": gc})
    assert not spans.all()
    open_operations.abandon_waiting()
    assert text_of(*spans.only().output) == TEXT


def test_the_next_call_ends_what_waits(spans: Spans, client: openai.OpenAI) -> None:
    """Nobody needs to ask for it."""
    drop_a_stream(client)
    exec("gc.collect()", {"__name__": "opentelemetry.sdk.trace", "gc": gc})
    with client.chat.completions.create(**CHAT, stream=True):
        assert spans.only().ending == "abandoned"


def test_abandoned_inside_code_that_may_hold_locks(spans: Spans, client: openai.OpenAI) -> None:
    """A signal handler that ends everything there has another thread wait, for a limited time."""
    lock = threading.Lock()

    class Locked:
        instrumentation = None

        def abandon(self) -> None:
            with lock:
                ended.set()

        def leave(self, error: BaseException) -> None: ...

        def discard(self) -> None: ...

    ended, locked = threading.Event(), Locked()
    open_operations.watch(locked)
    began_s = time.monotonic()
    with lock:
        exec("end()", {"__name__": "opentelemetry.sdk.trace", "end": open_operations.abandon_running})
        assert not ended.is_set()
    assert time.monotonic() - began_s < 10 * open_operations.MAX_LOCK_WAIT_S
    assert ended.wait(10)


def test_abandoned_by_whoever_interrupts_the_reading(
    spans: Spans, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler in the middle of a chunk leaves the end to the code that it interrupted."""
    stream = client.chat.completions.create(**CHAT, stream=True)
    feed = JsonBody.receive_bytes

    def interrupted(body: JsonBody, chunk: bytes) -> None:
        monkeypatch.undo()
        open_operations.abandon_running()
        assert not spans.all()
        feed(body, chunk)

    monkeypatch.setattr(JsonBody, "receive_bytes", interrupted)
    read_two(stream)
    assert (spans.only().ending, text_of(*spans.only().output)[:1]) == ("abandoned", TEXT[:1])


def test_abandoned_while_other_threads_read(spans: Spans) -> None:
    """Each stream is recorded once, with what was read, and goes on to its end for its reader."""
    streams = 8
    replies = [events(chunks()) for _ in range(streams)]
    read: list[int] = []
    with Server(*replies) as server, openai.OpenAI(api_key="k", base_url=server.url) as made:

        def read_all() -> None:
            read.append(len(list(made.chat.completions.create(**CHAT, stream=True))))

        threads = [threading.Thread(target=read_all) for _ in range(streams)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            open_operations.abandon_running()
        for thread in threads:
            thread.join()
    assert len(spans.all()) == streams
    assert len(set(read)) == 1
    assert {operation.ending for operation in spans.operations()} <= {"completed", "abandoned"}


PROGRAM = """
import gc, os, sys
import openai
from greenflash_otel.instrumentation.openai import instrument
from tests.instrumentation.openai.played_sync import CHAT, read_two
from tests.instrumentation.openai.replies import chunks
from tests.instrumentation.openai.server import Server, events
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

def line(span):
    print(span.attributes.get("greenflash.ending"), span.attributes["gen_ai.output.messages"], flush=True)
    return ""

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=line)))
instrument(provider.get_tracer("test"))
server = Server(events(chunks(finished=False), "hold"))
server.__enter__()
client = openai.OpenAI(api_key="k", base_url=server.url)
stream = client.chat.completions.create(**CHAT, stream=True)
read_two(stream)
"""

AT_EXIT = """
gc.disable()
server.__exit__(None, None, None)
"""

FORK = """
child = os.fork()
if child == 0:
    del stream
    gc.collect()
    provider.force_flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
server.__exit__(None, None, None)
"""


@pytest.mark.parametrize("rest", [AT_EXIT, pytest.param(FORK, marks=[])], ids=["exit", "fork"])
def test_open_when_the_process_ends(rest: str) -> None:
    """What is open at exit is ended and exported, once: a forked child leaves it to its parent."""
    program = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + rest]
    done = subprocess.run(program, check=True, timeout=60, capture_output=True, text=True)
    assert done.stderr == ""
    (line,) = filter(None, done.stdout.splitlines())
    assert line.startswith("abandoned ")
    assert TEXT in line
