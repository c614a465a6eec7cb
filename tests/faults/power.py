"""Cuts the power: rebuilds what a disk may hold that was never told to write things down.

The calls of a whole life of an outbox are recorded. At any of them the power may go. What a file held when it
was last synced is on the disk, of later writes any part: none, all, some, or some sectors of them. A name has
appeared or vanished for certain only when its directory was synced; of the others the first few have.

``python -m tests.faults.power [every nth call]`` prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tests.faults import workload
from tests.faults.sweep import SHM, Live
from tests.faults.tracing import Call, traced
from tests.faults.workload import AssembledTurn

SECTOR_BYTES: Final = 512
SEED: Final = 20

Keep = Callable[[Call], "bytes | None"]
"""What becomes of a write that was not synced: the bytes that reach the disk, or nothing."""


@dataclass
class File:
    """What was ever done to one file, by whatever name."""

    calls: list[Call] = field(default_factory=list)
    synced: int = 0
    """So many of the calls are on the disk for certain."""


@dataclass
class Change:
    """A name that appeared or vanished."""

    directory: str
    name: str
    file: File | None
    """What it names from now on; None for nothing, or for a directory."""
    makes_directory: bool = False
    certain: bool = False
    """On the disk, because the directory was synced since."""


@dataclass
class Disk:
    """Files and names: what was done to them, and how much of that is certain."""

    found: dict[str, File] = field(default_factory=dict)
    """What was there when the recording began."""
    files: dict[str, File] = field(default_factory=dict)
    """As the running process sees them."""
    directories: set[str] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)

    def apply(self, call: Call) -> None:
        """A call has happened."""
        directory = str(Path(call.path).parent)
        match call.name:
            case "open" if call.path not in self.files:
                self._name(directory, call.path, File())
            case "unlink":
                self._name(directory, call.path, None)
            case "rename":  # all of it or nothing
                self._name(str(Path(call.target).parent), call.target, self.files.get(call.path))
                self._name(str(Path(call.target).parent), call.path, None)
            case "mkdir" if call.path not in self.directories:
                self.directories.add(call.path)
                self.changes.append(Change(directory, call.path, None, makes_directory=True))
            case "pwrite64" | "ftruncate":
                self.files[call.path].calls.append(call)
            case "fsync" | "fdatasync":
                self._sync(call.path)

    def rebuild(self, root: Path, target: Path, names_kept: int, keep: Keep) -> None:
        """Write down what a disk may hold that was cut off now."""
        names = dict(self.found)
        missing: list[str] = []
        for number, change in enumerate(self.changes):
            if not change.certain and number >= names_kept:
                missing += [change.name] if change.makes_directory else []
            elif change.file is not None:
                names[change.name] = change.file
            else:
                names.pop(change.name, None)
        for name, file in names.items():
            if not any(name.startswith(f"{directory}/") for directory in missing):
                path = target / Path(name).relative_to(root)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_content(file, keep))

    def _name(self, directory: str, name: str, file: File | None) -> None:
        self.changes.append(Change(directory, name, file))
        if file is None:
            self.files.pop(name, None)
        else:
            self.files[name] = file

    def _sync(self, path: str) -> None:
        if path in self.files:
            self.files[path].synced = len(self.files[path].calls)
        for change in self.changes:
            change.certain = change.certain or change.directory == path


def _content(file: File, keep: Keep) -> bytes:
    content = bytearray()
    for number, call in enumerate(file.calls):
        data = call.data if number < file.synced else keep(call)
        if data is None:
            continue
        if call.name == "ftruncate":
            content = content[: call.at_byte].ljust(call.at_byte, b"\0")
        else:
            content = content.ljust(call.at_byte, b"\0")
            content[call.at_byte : call.at_byte + len(data)] = data
    return bytes(content)


def _nothing(call: Call) -> None:
    return None


def _everything(call: Call) -> bytes:
    return call.data


def _some(dice: random.Random) -> Keep:
    return lambda call: call.data if dice.random() < 0.5 else None


def _torn(dice: random.Random) -> Keep:
    def keep(call: Call) -> bytes | None:
        end = SECTOR_BYTES * dice.randrange(1 + len(call.data) // SECTOR_BYTES)
        return call.data[:end] or None if call.data else call.data

    return keep


def ways(dice: random.Random) -> Iterator[tuple[str, int | None, Keep]]:
    """What may become of unsynced names (so many of them are kept, None for all) and of unsynced writes."""
    yield "nothing that was not synced", 0, _nothing
    yield "names only", None, _nothing
    yield "writes only", 0, _everything
    yield "some writes", None, _some(dice)
    yield "other writes", dice.randrange(3), _some(dice)
    yield "torn writes", None, _torn(dice)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay went."""

    calls: int
    syncs: int
    states: int
    """Different states of the disk that were opened."""
    broken: tuple[str, ...]
    """Where what was promised did not hold, and how."""


def replay(every: int = 1, live: Live = workload.live) -> Replayed:
    """Cut the power at every nth call."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as name:
        root = Path(name) / "machine"
        workload.prepare(root)
        disk, calls = _as_found(root), _record(root, live)
        dice, told, states, broken = random.Random(SEED), AssembledTurn(), 0, []
        for number, call in enumerate(calls):
            if call.name == "write":
                for line in workload.lines_of(call.data):
                    told.hear(line)
                continue
            disk.apply(call)
            if number % every:
                continue
            for way, names_kept, keep in ways(dice):
                states += 1
                kept = len(disk.changes) if names_kept is None else names_kept
                state = Path(name) / f"{states}"
                disk.rebuild(root, state, kept, keep)
                if complaint := _complaint(state, told):
                    broken.append(f"{number} {call.name}, {way}: {complaint}")
        syncs = sum(call.name in ("fsync", "fdatasync") for call in calls)
        return Replayed(len(calls), syncs, states, tuple(broken))


def _complaint(state: Path, told: AssembledTurn) -> str | None:
    try:
        workload.check(state, told)
    except workload.Broken as complaint:
        return str(complaint)
    return None


def _as_found(root: Path) -> Disk:
    """What lies in a folder has been on the disk for long."""
    found: Mapping[str, bytes] = {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    files = {name: File([Call("pwrite64", name, data)], 1) for name, data in found.items()}
    return Disk(files, dict(files), {str(path) for path in root.rglob("*") if path.is_dir()})


def _record(root: Path, live: Live) -> list[Call]:
    calls: list[Call] = []
    reading, writing = os.pipe()

    def note(call: Call) -> bool:
        calls.append(call)
        return True

    try:
        traced(lambda: live(root, workload.say_to(writing)), note)
    finally:
        os.close(reading)
        os.close(writing)
    return calls


if __name__ == "__main__":
    replayed = replay(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(json.dumps(asdict(replayed)))  # noqa: T201 - a program
    sys.exit(1 if replayed.broken else 0)
