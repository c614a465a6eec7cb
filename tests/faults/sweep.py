"""Ends a process before every system call that changes a file, and half way through every write.

``python -m tests.faults.sweep [every nth point]`` prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from tests.faults import workload
from tests.faults.tracing import Call, traced
from tests.faults.workload import AssembledTurn

Live: TypeAlias = Callable[[Path, workload.Say], None]
"""What a process does in a folder, and tells of it."""
SHM = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Swept:
    """How a sweep went."""

    points: int
    """System calls at which a process was ended."""
    halves: int
    """Of these, writes of which the first half had happened."""
    calls: int
    """System calls there were."""
    broken: tuple[str, ...]
    """Where what was promised did not hold, and how."""


def sweep(every: int = 1, first: int = 0, live: Live = workload.live) -> Swept:
    """End the process at every nth call."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as root:
        prepared = Path(root) / "prepared"
        workload.prepare(prepared)
        calls: list[Call] = []

        def note(call: Call) -> bool:
            calls.append(call)
            return True

        _run(prepared, Path(root) / "whole", live, note)
        broken, points, halves = [], 0, 0
        for number in range(0, len(calls), every):
            for half in (False, True) if calls[number].name == "pwrite64" else (False,):
                points, halves = points + 1, halves + half
                if complaint := _end_at(number, half, prepared, Path(root) / f"{number}{half}", live):
                    broken.append(f"{calls[number].name} {number}{' half' if half else ''}: {complaint}")
    return Swept(points, halves, len(calls), tuple(broken))


def _end_at(number: int, half: bool, prepared: Path, folder: Path, live: Live) -> str | None:
    """End a process at a call; what then does not hold."""
    left = number

    def go_on(call: Call) -> bool:
        nonlocal left
        left -= 1
        if left < 0 and half and call.name == "pwrite64":
            _write_half(call)
        return left >= 0

    told = _run(prepared, folder, live, go_on)
    try:
        workload.check(folder, told)
    except workload.Broken as complaint:
        return str(complaint)
    finally:
        shutil.rmtree(folder)
    return None


def _run(prepared: Path, folder: Path, live: Live, go_on: Callable[[Call], bool]) -> AssembledTurn:
    """Let a process live in a copy of the folder; what it told."""
    shutil.copytree(prepared, folder)
    told = AssembledTurn()
    reading, writing = os.pipe()

    def hear(call: Call) -> bool:
        if call.name == "write":
            for line in workload.lines_of(call.data):
                told.hear(line)
            return True
        return go_on(call)

    try:
        traced(lambda: live(folder, workload.say_to(writing)), hear)
    finally:
        os.close(reading)
        os.close(writing)
    return told


def _write_half(call: Call) -> None:
    with Path(call.path).open("r+b") as file:
        file.seek(call.at_byte)
        file.write(call.data[: len(call.data) // 2])


if __name__ == "__main__":
    swept = sweep(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(json.dumps(asdict(swept)))  # noqa: T201 - a program
    sys.exit(1 if swept.broken else 0)
