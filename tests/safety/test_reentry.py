"""Every public function may be called from anywhere, while the same thread is in any other: nothing hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.safety.programs import run

START = """
import gc, logging, os, signal, sys
from opentelemetry.sdk.trace import TracerProvider
import greenflash_otel as greenflash
from greenflash_otel import internal_errors

provider = TracerProvider(shutdown_on_exit=False)
tracer = provider.get_tracer("app")
SPAN = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.conversation.id": "chat",
        "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]'}
SETTINGS = dict(frameworks=(), tracer_provider=provider, shutdown_timeout_s=0.1)

def block():
    with greenflash.conversation("chat", user_id="ada"):
        return greenflash.current_conversation()

def again():
    greenflash.uninstrument()
    greenflash.instrument(**SETTINGS)

INNER = {
    "record_outcome": lambda: greenflash.record_outcome("inner", "1", conversation_id="chat"),
    "record_rating": lambda: greenflash.record_rating(5, conversation_id="chat"),
    "identify_user": lambda: greenflash.identify_user("ada", name="Ada"),
    "identify_organization": lambda: greenflash.identify_organization("acme", name="Acme"),
    "conversation": block,
    "flush": lambda: greenflash.flush(0.01),
    "stats": lambda: str(greenflash.stats()),
    "instrument": lambda: greenflash.instrument(**SETTINGS),
    "uninstrument": again,
    "span": lambda: tracer.start_span("chat m", attributes=SPAN).end(),
    "shutdown": lambda: greenflash.shutdown(0.01),
}
entered = [0]

def enter(most):
    if entered[0] < most:
        entered[0] += 1
        inner()

def outer():
    greenflash.record_outcome("outer", "1", conversation_id="chat")
    greenflash.record_rating(4, conversation_id="chat")
    greenflash.identify_user("bob")
    tracer.start_span("chat m", attributes=SPAN).end()
    greenflash.stats()
    greenflash.flush(0.01)
"""
IN_SIGNALS = """
def run():
    greenflash.instrument(**SETTINGS)
    signal.signal(signal.SIGALRM, lambda *_: enter(10))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0017)
    while not entered[0]:
        outer()
    outer()
    signal.setitimer(signal.ITIMER_REAL, 0)
"""
IN_COLLECTIONS = """
class Session:
    def __init__(self): self.me = self
    def __del__(self): enter(10)

def run():
    greenflash.instrument(**SETTINGS)
    gc.set_threshold(20)
    for _ in range(20):
        Session()
    outer()
    gc.collect()
"""
IN_REDACTION = """
def redact(text, path):
    if text == "outer": enter(3)
    return text

def run():
    greenflash.instrument(**SETTINGS, redact=redact)
    outer()
"""
IN_LOGGING = """
class Handler(logging.Handler):
    def emit(self, record): enter(1)

logging.getLogger("greenflash_otel").addHandler(Handler())

def run():
    greenflash.instrument(**SETTINGS)
    greenflash.record_outcome("outer", object(), conversation_id="chat")
    outer()
"""
IN_A_CHILD = """
def run():
    greenflash.instrument(**SETTINGS)
    outer()
    entered[0] += 1
    if (child := os.fork()) == 0:
        inner()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
EACH = """
for name, inner in INNER.items():
    print(name, end=" ", flush=True)
    entered[0] = 0
    internal_errors.reset_for_tests()  # what was warned of is warned of again
    run()
    gc.set_threshold(700)
    greenflash.shutdown(0)
    print("came back" if entered[0] else "was never called", flush=True)
os._exit(0)
"""
PLACES = {
    "a signal handler": IN_SIGNALS,
    "__del__": IN_COLLECTIONS,
    "a redaction function": IN_REDACTION,
    "a logging handler": IN_LOGGING,
    "a forked child": IN_A_CHILD,
}
CALLS = 11
AGAIN = "import greenflash_otel as g\ng.instrument(frameworks=())\nprint(g.stats().accepted)"


@pytest.mark.parametrize("place", PLACES)
def test_each_function_inside_each_other(place: str, tmp_path: Path) -> None:
    """All come back. An outbox that cannot be used gives the logging handler something to log."""
    outbox = tmp_path / "outbox"
    if place == "a logging handler":
        outbox.touch()
        outbox /= "in-the-way"
    lines = run(START + PLACES[place] + EACH, outbox=outbox, key=None).splitlines()
    assert [line for line in lines if not line.endswith("came back")] == []
    assert len(lines) == CALLS


ENDING = """
import os, signal, sys, threading, time
import greenflash_otel as greenflash
greenflash.instrument(frameworks=(), shutdown_timeout_s=1)
def end(*_):
    began = time.monotonic()
    getattr(greenflash, sys.argv[1])(1)
    print("in time" if time.monotonic() - began < 20 else "late", recorded[0], flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
recorded = [0]
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
while True:
    greenflash.record_outcome("outer", "1", conversation_id="chat")
    recorded[0] += 1
"""


@pytest.mark.parametrize("call", ["shutdown", "flush"])
def test_ending_in_a_signal_handler(call: str, tmp_path: Path) -> None:
    """As people write it: it comes back in time, and what was recorded before is on disk."""
    said = run(ENDING, call, outbox=tmp_path).split()
    assert said[:2] == ["in", "time"]
    assert int(run(AGAIN, outbox=tmp_path)) >= int(said[2])


RECORDING = """
import os, signal
import greenflash_otel as greenflash
greenflash.instrument(frameworks=(), shutdown_timeout_s=0.1)
recorded = [0]
def record(*_):
    greenflash.record_outcome("any", "1", conversation_id="chat")
    recorded[0] += 1
signal.signal(signal.SIGALRM, record)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.0037)
for _ in range(50):
    greenflash.record_outcome("any", "1", conversation_id="chat")
signal.setitimer(signal.ITIMER_REAL, 0)
print(50 + recorded[0], flush=True)
os._exit(0)
"""


def test_all_that_signal_handlers_record_is_on_disk(tmp_path: Path) -> None:
    """Each handler interrupts a call of the same function; the process then ends without a word."""
    recorded = int(run(RECORDING, outbox=tmp_path, key=None))
    assert recorded > 50
    assert int(run(AGAIN, outbox=tmp_path, key=None)) == recorded
