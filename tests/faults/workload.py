"""A short life of an outbox that uses all of it, for processes that are ended in the middle; and the oracle.

It tells on a pipe what it may be held to: ``kept`` what a put has acknowledged, ``sent`` what Greenflash has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from tests.delivery.fakes import SUCCESS, Clock, ids_of, messages, outcome

ROOMS = ("red", "green", "blue")
FOUND = ("old0", "old1", "old2")
"""What an earlier process has left in the folder."""
LATE = ("late0", "late1")
"""What another process leaves while this one runs."""
SIZE = 1_500
"""Of a message, so that an entry takes a page."""

Say = Callable[[str], None]


@dataclass
class AssembledTurn:
    """What a process has said until its end."""

    kept: list[str] = field(default_factory=list)
    stored: dict[str, list[str]] = field(default_factory=dict)
    """What Greenflash has, by conversation, in the order of arrival."""

    def hear(self, line: str) -> None:
        """Take note of a line."""
        word, room, *ids = line.split()
        if word == "kept":
            self.kept += ids
        else:
            store(self.stored, room, ids)


class Broken(Exception):
    """The oracle's verdict: what was promised does not hold."""


def prepare(folder: Path) -> None:
    """What earlier processes left: one file in the outbox, one beside it that is moved in later."""
    with closing(Outbox(folder / "outbox")) as outbox:
        outbox.put([messages("red", id, size=SIZE) for id in FOUND])
    with closing(Outbox(folder / "beside")) as outbox:
        outbox.put([messages("white", id, size=SIZE) for id in LATE])


def live(folder: Path, say: Say) -> None:
    """Take over, put, deliver, split, set aside, take over once more, deliver, end."""
    clock, server = Clock(), Server(say)
    with closing(Outbox(folder / "new" / "outbox")) as outbox:
        _put(outbox, say, messages("grey", "first", size=SIZE))
    with closing(Outbox(folder / "outbox")) as outbox:
        sender = _sender(outbox, server, clock)
        for n in range(6):
            _put(outbox, say, messages(ROOMS[n % 3], f"m{n}", size=SIZE), outcome(ROOMS[n % 3], f"o{n}"))
        _put(outbox, say, messages("green", "p0", "bad1", "p2", "p3", size=SIZE))
        _deliver(sender, clock, 9)
        for path in (folder / "beside").iterdir():
            path.rename(folder / "outbox" / path.name)
        outbox.adopt()
        _put(outbox, say, messages("blue", *(f"q{n}" for n in range(5)), size=SIZE))
        _deliver(sender, clock, 14)


def _put(outbox: Outbox, say: Say, *requests: ApiRequest) -> None:
    outbox.put(requests)
    say(" ".join(("kept", "-", *(id for request in requests for id in ids_of(request)))))


def _sender(outbox: Outbox, server: Server, clock: Clock) -> Sender:
    """A sender to a server that has accepted something before: one refusal is then about the item."""
    return Sender(outbox, server, clock=clock, rng=lambda: 0.5, has_accepted=True)


def _deliver(sender: Sender, clock: Clock, steps: int) -> None:
    for _ in range(steps):
        clock.now_s += 100.0
        sender.send_next()


class Server:
    """Refuses bad items and more than three; loses every fourth answer on the way. Tells what it has."""

    def __init__(self, say: Say = lambda line: None, stored: dict[str, list[str]] | None = None) -> None:
        self._say = say
        self._count = 0
        self._stored = {} if stored is None else stored

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Answer a request."""
        ids = ids_of(request)
        if len(ids) > 3:
            return Answer(413)
        if any(id.startswith("bad") for id in ids):
            return Answer(400, b'{"message":"bad"}')
        store(self._stored, request.conversation_id, ids)
        self._say(" ".join(("sent", request.conversation_id, *ids)))
        self._count += 1
        return Answer(None, fault="timeout") if self._count % 4 == 0 else SUCCESS

    def close(self) -> None:
        """Nothing to close."""


def store(stored: dict[str, list[str]], room: str, ids: Iterable[str]) -> None:
    """Keep the first of each id, as Greenflash does."""
    known = stored.setdefault(room, [])
    known.extend(id for id in ids if id not in known)


def check(folder: Path, told: AssembledTurn) -> None:
    """Begin again after the end of a process: all that was promised is there, and goes out in order."""
    stored = {room: list(ids) for room, ids in told.stored.items()}
    with closing(Outbox(folder / "new" / "outbox")) as outbox:
        _deliver(_sender(outbox, Server(stored=stored), clock := Clock()), clock, 2)
    with closing(Outbox(folder / "outbox")) as outbox:
        found = outbox.get_stats()
        _deliver(_sender(outbox, Server(stored=stored), clock := Clock()), clock, 80)
        ended = outbox.get_stats()
    _demand(not found.lost and not ended.lost, f"counted as lost: {dict(ended.lost)}")
    _demand(ended.pending == 0, f"{ended.pending} do not go out")
    moved_in = () if list((folder / "beside").glob("*.sqlite3")) else LATE
    promised = (*FOUND, *moved_in, *told.kept)
    there = {id for ids in stored.values() for id in ids} | ({"bad1"} if ended.rejected == 1 else set())
    _demand(there.issuperset(promised), f"gone: {[id for id in promised if id not in there]}")
    for ids in stored.values():
        wanted = [id for id in promised if id in ids]
        _demand([id for id in ids if id in wanted] == wanted, f"out of order: {ids}")
    left = [path.name for path in (folder / "outbox").iterdir()]
    databases = {name for name in left if name.endswith(".sqlite3")}
    _demand(len(databases) == ended.rejected, f"left behind: {left}")
    _demand({name.removesuffix(".lock") for name in left} == databases, f"left beside: {left}")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)


def lines_of(data: bytes) -> Iterable[str]:
    """What was said in a write to the pipe."""
    return data.decode().splitlines()


def say_to(descriptor: int) -> Say:
    """Tells lines on a descriptor, each in one write, so that they are ordered among the other calls."""
    return lambda line: _write(descriptor, line)


def _write(descriptor: int, line: str) -> None:
    os.write(descriptor, f"{line}\n".encode())
