"""Streams that nobody ended: dropped in a bad moment, open at exit, copied by a fork."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from greenflash_otel.instrumentation import open_operations
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
