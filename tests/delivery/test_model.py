"""Everything that can go wrong between outbox and server, in any order: it converges.

A model in which time is a number, the server a dictionary, and a crash a copy of the folder, made before or
after any commit. The outbox and the sender are the real ones, on disk. ``MODEL_EXAMPLES`` says how many
histories are tried: 100 by default, 20,000 in ``make soak``.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenflash_otel.delivery import files, schema
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender
from greenflash_otel.delivery.writer import WRITER, Job
from greenflash_otel.greenflash_api.request import ApiRequest
from tests.delivery.fakes import Clock, ids_of, messages, outcome
from tests.delivery.model_server import TROUBLE, Greenflash, is_refused

PHASES = tuple(Phase)[: -2 if "MODEL_UNSHRUNK" in os.environ else None]  # the last two make a failure small
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "100"))
CONVERSATIONS = st.sampled_from(["one", "two", "three", ""])
ITEMS = st.lists(st.sampled_from(["m", "m", "bad", "huge"]), min_size=1, max_size=6)
SIZES = {"m": 3_000, "bad": 0, "huge": 13_000}
COMMITS = st.integers(min_value=0, max_value=2)
LIMIT_BYTES = 220_000
"""Of the outbox: a dozen large requests fill it."""
ROUNDS = 200
"""After so many probes everything has had its turn."""
SHM = Path("/dev/shm")
"""Where there is memory that looks like a disk: what the disk itself does is for `tests/faults`."""


class Delivery(RuleBasedStateMachine):
    """Puts, attempts, trouble, the passing of time, and the end of processes."""

    @initialize()
    def begin(self) -> None:
        """An empty folder, and a server that knows nothing."""
        self.root = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
        self.folders = (self.root / str(n) for n in itertools.count())
        self.folder = next(self.folders)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(schema, "connect", self.watched(schema.connect))
        self.crash_in: int | None = None  # so many commits from now
        self.copy: Path | None = None  # what a crash left
        self.is_in_transaction = False
        self.clock = Clock()
        self.server = Greenflash(self.clock)
        self.names = itertools.count()
        self.put: dict[str, list[str]] = {}  # what was acknowledged, by conversation, in order
        self.gone: list[Outbox] = []
        self.start()

    def watched(self, connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        """Opens databases that tell of each commit that is about to happen."""

        def watch(*arguments: Any, **named: Any) -> sqlite3.Connection:
            db = connect(*arguments, **named)
            db.set_trace_callback(self.about_to_run)
            return db

        return watch

    def about_to_run(self, statement: str) -> None:
        """The crash comes before this commit: what is on disk now is what there is."""
        is_commit = statement == "COMMIT" or (statement.startswith("INSERT") and not self.is_in_transaction)
        if statement.startswith("BEGIN") or statement == "COMMIT":
            self.is_in_transaction = statement != "COMMIT"
        if is_commit and self.crash_in is not None:
            if self.crash_in == 0:
                self.die()
            else:
                self.crash_in -= 1

    def die(self) -> None:
        """Keep what is on disk; whatever this process does from here on, nobody will see."""
        self.crash_in = None
        self.copy = Path(shutil.copytree(self.folder, next(self.folders)))

    def start(self) -> None:
        """A process begins."""
        self.outbox = Outbox(self.folder, limit_bytes=LIMIT_BYTES)
        self.sender = Sender(self.outbox, self.server, clock=self.clock, rng=lambda: 0.5)
        self.server.silent_until_s = 0.0  # a new process may ask once
        self.accepted = sum(map(len, _lying_in(_database_of(self.outbox))))
        self.refused = 0

    def resting(self) -> tuple[list[str], list[str]]:
        """The ids of the items that wait on disk, and of those set aside, ours first."""
        waits, rejected = _lying_in(_database_of(self.outbox))
        for path in self.folder.glob("*.sqlite3"):
            if (
                found := files.try_lock(path, limit_bytes=LIMIT_BYTES)
            ) is not None:  # of nobody: no room for it
                more = _lying_in(found.db)
                waits, rejected = waits + more[0], rejected + more[1]
                found.db.close()
                found.lock.release(remove=False)
        return waits, rejected

    def crashing(self, commits: int, action: Callable[[], object]) -> bool:
        """Do something, and die after so many commits, at the latest at its end; whether it came to that."""
        self.crash_in, self.copy = commits, None
        action()
        ended = self.copy is None
        if ended:
            self.die()
        assert self.copy is not None
        self.gone.append(self.outbox)
        self.folder = self.copy
        self.start()
        return ended

    def keep(self, conversation: str, request: ApiRequest) -> None:
        """Put a request; what is refused was never promised."""
        refused = self.outbox.put([request])
        self.accepted += request.items
        if refused:
            self.refused += request.items
        else:
            self.put.setdefault(conversation, []).extend(ids_of(request))

    def some_messages(self, conversation: str, names: Sequence[str]) -> ApiRequest:
        """Messages of a conversation."""
        size = max(SIZES[name] for name in names)
        return messages(conversation, *(f"{name}{next(self.names)}" for name in names), size=size)

    @rule(conversation=CONVERSATIONS, names=ITEMS)
    def put_messages(self, conversation: str, names: list[str]) -> None:
        """Messages of a conversation, of which the server will refuse some."""
        if "huge" in names:
            names = ["huge"]
        self.keep(conversation, self.some_messages(conversation, names))

    @rule(conversation=CONVERSATIONS, size=st.sampled_from([0, 5_000]))
    def put_outcome(self, conversation: str, size: int) -> None:
        """An outcome. Where it finds no room, a message of that size finds none either."""
        before = self.refused
        self.keep(conversation, outcome(conversation, f"o{next(self.names)}", size))
        if self.refused > before:
            self.keep(conversation, messages(conversation, "refused", size=size))
            assert self.refused == before + 2

    @rule(trouble=st.sampled_from([None, *TROUBLE]))
    def attempt(self, trouble: str | None) -> None:
        """One step, into whatever state the server is in."""
        self.server.trouble = trouble
        self.sender.send_next()
        self.server.trouble = None

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now_s += seconds

    @rule()
    def hurry(self) -> None:
        """Somebody flushes."""
        self.outbox.hurry()

    @rule()
    def restart(self) -> None:
        """The process ends as it should, and another begins."""
        self.outbox.close()
        self.start()

    @rule(names=ITEMS)
    def adopt(self, names: list[str]) -> None:
        """Another process of the folder puts something and is gone; this one finds it."""
        self.leave(names)
        self.look_around()

    def look_around(self) -> bool:
        """Take over what lies there, if there is room; whether anything did."""
        before = sum(map(len, _lying_in(_database_of(self.outbox))))
        self.outbox.adopt()
        found = sum(map(len, _lying_in(_database_of(self.outbox)))) - before
        self.accepted += found
        return found > 0

    def leave(self, names: Sequence[str]) -> None:
        """What another process leaves, in a conversation of its own."""
        room = f"next door {next(self.names)}"
        request = self.some_messages(room, ["m" if name == "huge" else name for name in names])
        other = Outbox(self.root / "elsewhere", limit_bytes=LIMIT_BYTES)
        other.put([request])
        other.close()
        for path in (self.root / "elsewhere").iterdir():
            path.rename(self.folder / path.name)
        self.put[room] = ids_of(request)

    @rule(conversation=CONVERSATIONS, names=ITEMS, commits=COMMITS)
    def crash_in_put(self, conversation: str, names: list[str], commits: int) -> None:
        """Killed while it puts: all of the request is there or nothing; all of it if the put returned."""
        request = self.some_messages(conversation, ["m"] * len(names))
        refused: list[ApiRequest] = []
        ended = self.crashing(commits, lambda: refused.extend(self.outbox.put([request])))
        ids = ids_of(request)
        found = [id for id in self.resting()[0] if id in ids]
        assert found in ([], ids)
        assert found or refused or not ended
        if found:
            self.put.setdefault(conversation, []).extend(ids)

    @rule(trouble=st.sampled_from([None, None, *TROUBLE]), commits=COMMITS)
    def crash_in_attempt(self, trouble: str | None, commits: int) -> None:
        """Killed between sending and writing down what became of it, or just after."""
        self.server.trouble = trouble
        self.crashing(commits, self.sender.send_next)
        self.server.trouble = None

    @rule(names=ITEMS, commits=COMMITS)
    def crash_in_adopt(self, names: list[str], commits: int) -> None:
        """Killed while it takes over what another process left."""
        self.leave(names)
        self.crashing(commits, self.outbox.adopt)

    @rule(commits=COMMITS)
    def crash_in_close(self, commits: int) -> None:
        """Killed while it ends."""
        self.crashing(commits, self.outbox.close)

    @rule(names=ITEMS, commits=COMMITS)
    def crash_in_start(self, names: list[str], commits: int) -> None:
        """Killed while it begins, in a folder in which another file lies."""
        self.outbox.close()
        self.leave(names)
        self.crashing(commits, self.start)

    @invariant()
    def the_law_holds(self) -> None:
        """Counts add up, only a full outbox loses anything, and order is kept."""
        counts, (waits, rejected) = self.outbox.get_stats(), self.resting()
        assert counts.lost == ({"outbox_full": self.refused} if self.refused else {})
        assert counts.accepted == self.accepted
        assert counts.accepted == counts.delivered + counts.pending + counts.rejected + self.refused
        here = {*waits, *rejected}
        for conversation, ids in self.put.items():
            assert all(id in here or self.server.has(conversation, id) for id in ids)
            if conversation:
                assert _is_in_order(self.server.stored.get(conversation, []), ids)
                assert _is_in_order(_only(waits, ids), ids)

    def teardown(self) -> None:
        """The trouble ends: everything arrives, but for what was refused."""
        if not hasattr(self, "outbox"):
            return
        for n in range(ROUNDS):  # what did not fit before may fit now
            self.clock.now_s += 10_000.0
            self.keep(f"proof {n}", outcome(f"proof {n}", f"proof{n}"))  # refusals are about items again
            while self.sender.send_next():
                pass
            if not self.look_around() and not self.outbox.get_stats().pending:
                break
        self.the_law_holds()
        if (
            self.outbox.get_stats().pending
        ):  # the outbox is full of what was rejected: there is no room for a proof
            assert self.sender.paused is not None
            assert self.outbox.put([outcome("", "proof")])
        else:
            for conversation, ids in self.put.items():
                expected = {id for id in ids if not is_refused(id)} - self.server.sampled_out
                assert expected <= set(self.server.stored.get(conversation, []))
        for outbox in (self.outbox, *self.gone):
            outbox.close()
        self.patch.undo()
        shutil.rmtree(self.root)


def _database_of(outbox: Outbox) -> sqlite3.Connection:
    """The database of an outbox, all that can wait being done."""
    WRITER.wait(WRITER.submit(outbox, Job(lambda entries: entries.contents.delete_acknowledged())))
    assert outbox._connection.db is not None
    return outbox._connection.db


def _lying_in(db: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """The ids of the items in a file that wait, and of those set aside."""
    waits = [schema.read_entry_row(db, id) for id in schema.list_ids(db, "entries")]
    rejected = [schema.read_rejected_row(db, id)[2] for id in schema.list_ids(db, "rejected")]
    return _ids_in(waits), _ids_in(rejected)


def _ids_in(rows: Iterable[schema.Row | None]) -> list[str]:
    requests = (schema.request_of(row) for row in rows if row is not None)
    return [id for request in requests if request is not None for id in ids_of(request)]


def _only(some: Sequence[str], these: Sequence[str]) -> list[str]:
    return [id for id in some if id in these]


def _is_in_order(some: Sequence[str], of: Sequence[str]) -> bool:
    return list(some) == _only(of, some)


# It takes a minute alone, and several where other programs want the processor.
TestDelivery: Callable[[], object] = pytest.mark.timeout(max(600, EXAMPLES))(Delivery.TestCase)
TestDelivery.settings = settings(  # type: ignore[attr-defined] # hypothesis gives no type to its classes
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None, print_blob=True, phases=PHASES
)
