"""Everything that can go wrong between outbox and server, in any order: it converges.

A model in which time is a number, the server a dictionary, and a crash a copy of the folder. The outbox is
the real one, on disk.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenflash_otel.api.answer import Answer
from greenflash_otel.api.request import ApiRequest
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender
from tests.delivery.fakes import SUCCESS, Clock, ids_of, messages, outcome

CONVERSATIONS = st.sampled_from(["one", "two", "three", ""])
MAX_ITEMS = 3
"""A request of more is too large for this server."""

TROUBLE: dict[str, Answer] = {
    "down": Answer(503),
    "throttled": Answer(429, retry_after="90"),
    "throttled until": Answer(
        503, retry_after="Sat, 21 Nov 2026 10:02:00 GMT", date="Sat, 21 Nov 2026 10:00:00 GMT"
    ),
    "wrong key": Answer(401),
    "moved": Answer(302),
    "a page": Answer(200, b"<html>"),
    "not stored": Answer(200, b'{"success":false}'),
    "lost on the way there": Answer(None, fault="connection"),
    "lost on the way back": Answer(None, fault="timeout"),
}
SILENCE_S = {"throttled": 90.0, "throttled until": 120.0}


class Greenflash:
    """Keeps the first version of each item, refuses bad ones, and is in trouble when told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.trouble: str | None = None
        self.stored: dict[str, list[str]] = {}
        self.bytes_of: dict[str, str] = {}
        self.silent_until_s = 0.0

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Answer, and check what holds for every request that is ever sent."""
        assert self._clock.now_s >= self.silent_until_s, "sent before the time the server had named"
        self._see(request)
        trouble, self.trouble = self.trouble, None
        if trouble in (None, "lost on the way back"):
            answer = self._take(request)
            return answer if trouble is None else TROUBLE[trouble]
        self.silent_until_s = self._clock.now_s + SILENCE_S.get(trouble, 0.0)
        return TROUBLE[trouble]

    def close(self) -> None:
        """Nothing to close."""

    def _see(self, request: ApiRequest) -> None:
        """An item has the same bytes in every attempt, whatever request it comes in."""
        body = json.loads(request.body)
        for id, item in zip(ids_of(request), body.get("messages", [body]), strict=True):
            assert self.bytes_of.setdefault(id, json.dumps(item)) == json.dumps(item)

    def _take(self, request: ApiRequest) -> Answer:
        ids = ids_of(request)
        if len(ids) > MAX_ITEMS:
            return Answer(413)
        if any(id.startswith("bad") for id in ids):
            return Answer(400, b'{"message":"bad"}')
        known = self.stored.setdefault(request.conversation_id, [])
        known.extend(id for id in ids if id not in known)
        return SUCCESS


class Delivery(RuleBasedStateMachine):
    """Puts, attempts, trouble, the passing of time, and the end of processes."""

    @initialize()
    def begin(self) -> None:
        """An empty folder, and a server that knows nothing."""
        self.root = Path(tempfile.mkdtemp())
        self.folders = (self.root / str(n) for n in itertools.count())
        self.folder = next(self.folders)
        self.clock = Clock()
        self.server = Greenflash(self.clock)
        self.names = itertools.count()
        self.put: dict[str, list[str]] = {}
        self.gone: list[Outbox] = []
        self.start()

    def start(self) -> None:
        """A process begins."""
        self.outbox = Outbox(self.folder)
        self.sender = Sender(self.outbox, self.server, clock=self.clock, rng=lambda: 0.5)
        self.server.silent_until_s = 0.0  # a new process may ask once

    @rule(conversation=CONVERSATIONS, bad=st.lists(st.booleans(), min_size=1, max_size=6))
    def put_messages(self, conversation: str, bad: list[bool]) -> None:
        """Messages of a conversation, of which the server will refuse some."""
        ids = [f"{'bad' if each else 'm'}{next(self.names)}" for each in bad]
        self.outbox.put([messages(conversation, *ids)])
        self.put.setdefault(conversation, []).extend(ids)

    @rule(conversation=CONVERSATIONS)
    def put_outcome(self, conversation: str) -> None:
        """An outcome."""
        id = f"o{next(self.names)}"
        self.outbox.put([outcome(conversation, id)])
        self.put.setdefault(conversation, []).append(id)

    @rule(trouble=st.sampled_from([None, *TROUBLE]))
    def attempt(self, trouble: str | None) -> None:
        """One step, into whatever state the server is in."""
        self.server.trouble = trouble
        self.sender.step()
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

    @rule(answered=st.booleans())
    def crash(self, answered: bool) -> None:
        """The process is killed, perhaps while a request is under way: what is on disk is what there is."""
        entry = self.outbox.claim(self.clock.now_s)
        if entry is not None and answered and self.clock.now_s >= self.server.silent_until_s:
            self.server.send(entry.request)
        self.gone.append(self.outbox)
        self.folder = Path(shutil.copytree(self.folder, next(self.folders)))
        self.start()

    @invariant()
    def counts_add_up(self) -> None:
        """Nothing is unaccounted for, and nothing is lost."""
        counts = self.outbox.counts()
        assert not counts.lost
        assert counts.accepted == counts.delivered + counts.pending + counts.set_aside

    def teardown(self) -> None:
        """The trouble ends: everything arrives, once, in order, but for what was refused."""
        if not hasattr(self, "outbox"):
            return
        for _ in range(3):
            self.clock.now_s += 10_000.0
            while self.sender.step():
                pass
        assert self.outbox.counts().pending == 0
        for conversation, ids in self.put.items():
            good = [id for id in ids if not id.startswith("bad")]
            stored = self.server.stored.get(conversation, [])
            assert (stored if conversation else sorted(stored)) == (good if conversation else sorted(good))
        bad = sum(id.startswith("bad") for ids in self.put.values() for id in ids)
        assert self.outbox.counts().set_aside == bad
        for outbox in (self.outbox, *self.gone):
            outbox.close()
        shutil.rmtree(self.root)


TestDelivery: Callable[[], object] = Delivery.TestCase
TestDelivery.settings = settings(  # type: ignore[attr-defined] # hypothesis gives no type to its classes
    max_examples=60, stateful_step_count=40, deadline=None
)
