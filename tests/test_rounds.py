"""Rounds of ``instrument()`` and ``uninstrument()``, as in tests and notebooks, leave nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNTING = """
import atexit, gc, json, os, sys, time

hooks = []
register_at_fork = os.register_at_fork
os.register_at_fork = lambda **functions: (hooks.append(functions), register_at_fork(**functions))

import greenflash_otel as greenflash
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from tests.test_process import say

provider = TracerProvider(shutdown_on_exit=False)

OURS = tuple(
    f"greenflash_otel.{module}"
    for module in ("collector", "exporter", "instrumentation", "span_contexts", "standalone")
) + ("opentelemetry.sdk.trace",)

def pipelines():
    return sum(isinstance(each, greenflash.Pipeline) for each in gc.get_objects())

def kinds_of_ours():
    gc.collect()
    found = {}
    for each in gc.get_objects():
        kind = f"{type(each).__module__}.{type(each).__name__}"
        if kind.startswith(OURS):
            found[kind] = found.get(kind, 0) + 1
    return found

def state():
    until_s = time.monotonic() + 10  # threads that were told to end need a moment
    while len(sys._current_frames()) > 1 and time.monotonic() < until_s:
        time.sleep(0.01)
    return {
        "fork hooks": len(hooks),
        "exit functions": atexit._ncallbacks(),
        "threads": len(sys._current_frames()),
        "objects": kinds_of_ours(),
    }

def in_a_block():
    with greenflash.conversation("c", user_id="ada"):
        provider.get_tracer("app").start_span("left open")
        say("ho", "hi")
"""

INSTRUMENTING = """
def one_round():
    settings = dict(outbox=":memory:", shutdown_timeout_s=0.1, export="{export}")
    greenflash.instrument(tracer_provider={provider}, **settings)
    in_a_block()
    greenflash.uninstrument()
"""

EXPORTING = """
def one_round():
    exporter = greenflash.GreenflashSpanExporter(outbox=":memory:", shutdown_timeout_s=0.1)
    in_a_block()
    exporter.shutdown()
"""

ROUNDS = {
    "a provider of ours": INSTRUMENTING.format(provider=None, export="greenflash"),
    "a provider of the application's": INSTRUMENTING.format(provider="provider", export="greenflash"),
    "spans only": INSTRUMENTING.format(provider="provider", export="none"),
    "an exporter alone": EXPORTING,
}

COMPARING = """
states = []
for number in range(9):
    one_round()
    if number in (2, 8):
        states.append(state())
print(json.dumps(states))
assert pipelines() <= 1, "the threads of the last one may not have let go of it yet"
"""


@pytest.mark.parametrize("name", ROUNDS)
def test_rounds_leave_nothing(name: str) -> None:
    """After nine rounds there is what there was after three: objects, threads, fork and exit hooks."""
    root = Path(__file__).parents[1]
    environment = {**os.environ, "GREENFLASH_PRODUCT_ID": "6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10"}
    command = [sys.executable, "-c", COUNTING + ROUNDS[name] + COMPARING]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=110, cwd=root, env=environment, check=True
    )
    after_three, after_nine = json.loads(done.stdout)
    assert after_nine == after_three
