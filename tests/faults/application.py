"""A chat service for the soak: captures turns and records outcomes until it is ended, one way or another.

``python -m tests.faults.application name seed``, set up by GREENFLASH_* variables. Each line it writes says
what from now on may be asked of delivery: ``turn`` (captured, so on disk a tenth of a second later),
``outcome`` (recorded, so on disk), ``full`` and ``room`` (between them its disk takes nothing), ``refused``
(so many items were counted as lost).
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import threading
import time
from types import FrameType

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

import greenflash_otel as greenflash

CHATS = 5
PAUSE_S = 0.03
"""Between two turns, on average."""
OUTCOMES = 0.3
"""Share of turns that lead to one."""
FULL_DISKS = 0.01
"""Share of turns before which the disk is full for a while."""
FULL_TURNS = 3


def main(name: str, seed: int) -> None:
    """Serve until told to end."""
    asked_to_end: list[int] = []
    nothing = threading.Event()  # not to be set by a signal handler: it may interrupt the wait for it

    def end(number: int, frame: FrameType | None) -> None:
        asked_to_end.append(number)

    signal.signal(signal.SIGTERM, end)
    provider = TracerProvider(shutdown_on_exit=False)
    greenflash.instrument(tracer_provider=provider, frameworks=())
    tracer, dice = provider.get_tracer("chat service"), random.Random(seed)
    number = 0
    while not asked_to_end:
        nothing.wait(dice.expovariate(1 / PAUSE_S))
        full = dice.random() < FULL_DISKS
        turns = [f"{seed} {number + n}" for n in range(FULL_TURNS if full else 1)]
        number += len(turns)
        lines = _without_disk(tracer, dice, name, turns) if full else _turn(tracer, dice, name, turns[0])
        for line in lines:
            _tell(line)
    greenflash.shutdown(1.0)


def _turn(tracer: Tracer, dice: random.Random, name: str, turn: str) -> list[str]:
    """A user says something and is answered; perhaps that leads to something."""
    chat = f"{name} chat {dice.randrange(CHATS)}"
    texts = [f"{chat} asks for {turn}", f"{chat} is told about {turn}"]
    with greenflash.conversation(chat, user_id=name):
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.input.messages": _written("user", texts[0]),
            "gen_ai.output.messages": _written("assistant", texts[1]),
        }
        tracer.start_span("chat m", attributes=attributes).end()
        lines = [_line("turn", chat, *texts)]
        if dice.random() < OUTCOMES:
            value = f"{chat} led to {turn}"
            greenflash.record_outcome("upgrade", value)
            lines.append(_line("outcome", chat, value))
    return lines


def _without_disk(tracer: Tracer, dice: random.Random, name: str, turns: list[str]) -> list[str]:
    """Some turns while no file can grow, and what was counted as lost. An outcome before writes all down."""
    opening = _line("full", name)
    before = sum(greenflash.stats().lost.values())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        lines = [line for turn in turns for line in _turn(tracer, dice, name, turn)]
        greenflash.record_outcome("upgrade", f"{name} with a full disk {turns[0]}")
        lines.append(_line("outcome", "", f"{name} with a full disk {turns[0]}"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    refused = sum(greenflash.stats().lost.values()) - before
    return [opening, *lines, _line("refused", name, str(refused)), _line("room", name)]


def _written(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _line(word: str, chat: str, *texts: str) -> str:
    return json.dumps([word, time.monotonic(), chat, *texts])


def _tell(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
