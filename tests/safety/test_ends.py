"""The end of a process: late outcomes are stored, a slow redaction holds nobody up, strangers' text is escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.testing import Emulator, FaultReply
from tests.safety.programs import run, run_cli

AT_EXIT = """
import atexit, sys
import greenflash_otel as greenflash
def end():
    greenflash.{call}
if sys.argv[1] == "before": atexit.register(end)
greenflash.instrument(frameworks=(), shutdown_timeout_s=2)
greenflash.record_outcome("began", "1", conversation_id="chat")
if sys.argv[1] == "after": atexit.register(end)
"""
LATE = {
    "outcome": ('record_outcome("ended", "1", conversation_id="chat")', "/events"),
    "rating": ('record_rating(5, conversation_id="chat")', "/ratings"),
    "user": ('identify_user("ada", name="Ada")', "/users"),
    "organization": ('identify_organization("acme", name="Acme")', "/organizations"),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", LATE)
def test_what_is_recorded_in_an_exit_function(
    kind: str, when: str, tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """It is delivered, or is on disk for the next process, whether it runs before our end or after it."""
    call, path = LATE[kind]
    settings: dict[str, Any] = {"outbox": tmp_path, "base_url": greenflash_emulator.base_url}
    run(AT_EXIT.format(call=call), when, **settings)
    run_cli("outbox", "flush", "--timeout", "30", **settings)
    sent = [request for request in greenflash_emulator.requests() if request.path == path]
    assert len(sent) == (2 if kind == "outcome" else 1)


SLOW = """
import os, sys, threading, time
from opentelemetry.sdk.trace import TracerProvider
import greenflash_otel as greenflash
entered, forever = threading.Event(), threading.Event()
def redact(text, path):
    if text.startswith("question"):
        entered.set()
        forever.wait(0.05 if sys.argv[2] == "slow" else 3600)
    return text
provider = TracerProvider()
greenflash.instrument(frameworks=(), tracer_provider=provider, redact=redact, shutdown_timeout_s=0.5)
tracer = provider.get_tracer("app")
for number in range(200):
    tracer.start_span("chat m", attributes={
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.conversation.id": f"c{number}",
        "gen_ai.input.messages":
            '[{"role": "user", "parts": [{"type": "text", "content": "question %d"}]}]' % number}).end()
entered.wait(60)
began = time.monotonic()
{
    "flush": lambda: greenflash.flush(0.5),
    "shutdown": lambda: greenflash.shutdown(0.5),
    "uninstrument": greenflash.uninstrument,
    "stats": greenflash.stats,
    "outcome": lambda: greenflash.record_outcome("x", "1", conversation_id="c"),
    "rating": lambda: greenflash.record_rating(5, conversation_id="c"),
    "exit": sys.exit,
}[sys.argv[1]]()
print("in time" if time.monotonic() - began < 8 else "late", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("speed", ["slow", "hanging"])
@pytest.mark.parametrize("call", ["flush", "shutdown", "uninstrument", "stats", "outcome", "rating", "exit"])
def test_a_redaction_that_takes_its_time_holds_nobody_up(call: str, speed: str, tmp_path: Path) -> None:
    """200 calls wait for it, which take 10 s or for ever; each function keeps its own time."""
    said = run(SLOW, call, speed, outbox=tmp_path)
    assert said == ("" if call == "exit" else "in time\n")


STRANGE = """
import greenflash_otel as greenflash
greenflash.instrument(frameworks=(), shutdown_timeout_s=1)
greenflash.record_outcome("x", "1", conversation_id="c\\x1b[31m\\nfake-line\\tok\\x9b2J\\u202e")
greenflash.record_outcome("y", "1", conversation_id="well")
greenflash.flush(20)
"""
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.mark.parametrize("command", ["list", "status", "export"])
def test_what_strangers_wrote_is_printed_escaped(
    command: str, tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """A conversation id and the reason of a server cannot set the title, clear the screen or fake a line."""
    reason = b'{"message": "no \\u001b]0;pwned\\u0007\\u001b[2J\\nfake"}'
    for _ in range(8):
        greenflash_emulator.faults.next(FaultReply(400, body=reason))
    run(STRANGE, outbox=tmp_path, base_url=greenflash_emulator.base_url)
    said = run_cli("outbox", command, outbox=tmp_path)
    assert not CONTROLS.search(said)
    assert len(said.splitlines()) == {"list": 2, "export": 2, "status": 1}[command]
