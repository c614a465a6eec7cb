"""Capture what an application says to models, within the process: the fixture `greenflash_conversations`.

Requests take the library's own way, up to the HTTP client. They end in the endpoints of the emulator, which are as
strict as Greenflash, and in a database in memory.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import httpx
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from greenflash_otel import internal_errors, runtime
from greenflash_otel.emulator.store import Store, reading
from greenflash_otel.emulator.stored import (
    AcceptedRequest,
    StoredOrganization,
    StoredOutcome,
    StoredRating,
    StoredUser,
)
from greenflash_otel.installation import Redirection
from greenflash_otel.settings import MEMORY, SETTINGS
from greenflash_otel.testing.call_sites import CallSite, UnlinkedOutcomeWarning, find_call_site
from greenflash_otel.testing.conversation import CapturedConversation
from greenflash_otel.testing.faults import GreenflashFaults
from greenflash_otel.testing.transport import InProcessTransport, RejectedRequest
from greenflash_otel.testing.waiting import Condition, WantedConversation

PRODUCT: Final = "00000000-0000-4000-8000-000000000000"
"""The product of applications that name none."""
BASE_URL: Final = "http://greenflash.test/api/v1"
"""Nobody ever looks it up: the client's transport stays in the process."""
READ_S: Final = 5.0
"""How long a read waits for what was captured before it."""
REPORT_S: Final = 0.5
"""The same for the report of a failed test."""
FIXED_SETTINGS: Final = {
    "enabled": True,
    "api_key": "gf_test",
    "base_url": BASE_URL,
    "export": "greenflash",
    "outbox": MEMORY,
    "handle_sigterm": False,
}
"""What a test decides, whatever the application asks for."""


class CapturedConversations:
    """Everything that the test has captured. What it returns does not change any more: read again for news."""

    def __init__(self, faults: GreenflashFaults) -> None:
        self._store = Store(
            MEMORY, now_us=lambda: time.time_ns() // 1_000, new_uuid=lambda: str(uuid.uuid4())
        )
        self._transport = InProcessTransport(self._store, faults)
        self._errors_before = internal_errors.get_internal_errors()
        self._may_reject = False
        self._report: str | None = None
        self._call_sites: dict[str, CallSite | None] = {}
        self._unlinked: list[StoredOutcome] = []

    # Waiting.

    def wait_for(
        self,
        id: str | None = None,
        *,
        messages: int | None = None,
        outcomes: int | None = None,
        ratings: int | None = None,
        until: Condition | None = None,
        timeout: float = 5.0,
    ) -> CapturedConversation:
        """Deliver what was captured, and return the conversation once it has at least what is asked for.

        Args:
            id: The application's or Greenflash's; None for the only one that is as wanted.
            messages: How many the user said and saw.
            outcomes: How many it led to.
            ratings: How many of it and of its messages.
            until: Returns whether a conversation is as wanted.
            timeout: Seconds.

        Raises:
            AssertionError: The time is over; the message says what is missing.
        """
        __tracebackhide__ = True
        wanted = WantedConversation(id, messages, outcomes, ratings, until)
        until_s = time.monotonic() + timeout
        while True:
            left_s = until_s - time.monotonic()
            runtime.flush(max(left_s, 0))
            seen = self._store.changes
            if (found := wanted.choose(self._read())) is not None:
                return found
            if left_s <= 0:
                raise AssertionError(f"{wanted.explain(self._read(), timeout)}\n{self.describe()}")
            self._wait_for_change(seen, until_s)

    async def await_for(
        self,
        id: str | None = None,
        *,
        messages: int | None = None,
        outcomes: int | None = None,
        ratings: int | None = None,
        until: Condition | None = None,
        timeout: float = 5.0,
    ) -> CapturedConversation:
        """Do the same as `wait_for` while the event loop runs on."""

        def wait() -> CapturedConversation:
            return self.wait_for(
                id, messages=messages, outcomes=outcomes, ratings=ratings, until=until, timeout=timeout
            )

        return await asyncio.to_thread(wait)

    def expect_none(self, id: str | None = None, *, within: float = 0.2) -> None:
        """Fail if a conversation, an outcome or a rating is captured now or soon.

        Args:
            id: Only of this conversation.
            within: Seconds to wait.

        Raises:
            AssertionError: Something was captured; the message shows it.
        """
        __tracebackhide__ = True
        until_s = time.monotonic() + within
        while True:
            runtime.flush(READ_S)
            seen = self._store.changes
            found = [
                conversation
                for conversation in self._read()
                if id in (None, conversation.id, conversation.raw.id)
            ]
            bodies = [outcome.body for outcome in reading.read_outcomes(self._store)]
            bodies += [rating.body for rating in reading.read_ratings(self._store)]
            named = [body for body in bodies if id in (None, body.get("externalConversationId"))]
            if found or named:
                raise AssertionError(f"expected nothing, but captured:\n{self.describe()}")
            if time.monotonic() >= until_s:
                return
            self._wait_for_change(seen, until_s)

    # Reading.

    def all(self) -> tuple[CapturedConversation, ...]:
        """Return all conversations, in the order of their creation."""
        runtime.flush(READ_S)
        return self._read()

    def outcomes(self) -> tuple[StoredOutcome, ...]:
        """Return all outcomes, also those of no conversation."""
        runtime.flush(READ_S)
        return reading.read_outcomes(self._store)

    def ratings(self) -> tuple[StoredRating, ...]:
        """Return all ratings, also those of something unknown."""
        runtime.flush(READ_S)
        return reading.read_ratings(self._store)

    def users(self) -> tuple[StoredUser, ...]:
        """Return all users, in the order of their creation."""
        runtime.flush(READ_S)
        return reading.read_users(self._store)

    def organizations(self) -> tuple[StoredOrganization, ...]:
        """Return all organizations, in the order of their creation."""
        runtime.flush(READ_S)
        return reading.read_organizations(self._store)

    def requests(self) -> tuple[AcceptedRequest, ...]:
        """Return every accepted request in order of arrival, with its JSON."""
        runtime.flush(READ_S)
        return reading.read_requests(self._store)

    def rejected(self) -> tuple[RejectedRequest, ...]:
        """Return the requests that Greenflash would have rejected, without those that were ordered."""
        runtime.flush(READ_S)
        return tuple(self._transport.rejected)

    def allow_rejected(self) -> None:
        """Let the test pass although a request was rejected, or the library itself has failed."""
        self._may_reject = True

    def describe(self) -> str:
        """Return everything that was captured, for people."""
        if self._report is not None:
            return self._report
        runtime.flush(REPORT_S)
        blocks = []
        for conversation in self._read():
            blocks += [conversation.summary, *(f"  {line}" for line in conversation.text.splitlines())]
        unlinked = self._list_unlinked()
        rejected = [str(request) for request in self._transport.rejected]
        for title, entries in (("rejected", rejected), ("in no conversation", unlinked)):
            blocks.append(f"{title}: {'; '.join(entries) or 'none'}")
        paused = runtime.stats().paused
        return "\n".join([*blocks, *([f"delivery is paused: {paused.reason}"] if paused else [])])

    # For the fixture.

    def list_problems(self) -> list[str]:
        """Return why the test should fail although its own assertions passed."""
        if self._may_reject:
            return []
        errors = Counter(internal_errors.get_internal_errors()) - Counter(self._errors_before)
        return [
            *(f"Greenflash would reject a request: {request}" for request in self._transport.rejected),
            *(f"greenflash-otel has failed: could not {step} ({count})" for step, count in errors.items()),
        ]

    def warn_of_unlinked(self) -> None:
        """Warn of each outcome that belongs to no conversation, at the line that recorded it."""
        for outcome in self._unlinked:
            text = (
                f"outcome {outcome.event_type!r} belongs to no conversation: record it inside conversation()"
            )
            site = self._call_sites.get(outcome.insert_id or "")
            if site is None:
                warnings.warn(text, UnlinkedOutcomeWarning, stacklevel=2)
            else:
                warnings.warn_explicit(text, UnlinkedOutcomeWarning, site.file, site.line)

    def make_redirection(self, http_client: httpx.Client) -> Redirection:
        """Return what has everything captured here."""
        return Redirection(PRODUCT, FIXED_SETTINGS, http_client, self._note_outcome)

    def open_client(self) -> httpx.Client:
        """Return an HTTP client that never leaves the process."""
        return httpx.Client(transport=self._transport, trust_env=False)

    def close(self) -> None:
        """Remember what was captured as text, and forget the rest."""
        self._report = self.describe()
        self._unlinked = self._find_unlinked()
        self._store.close()

    def _read(self) -> tuple[CapturedConversation, ...]:
        return tuple(map(CapturedConversation, reading.read_conversations(self._store)))

    def _list_unlinked(self) -> list[str]:
        lines = []
        for outcome in self._find_unlinked():
            site = self._call_sites.get(outcome.insert_id or "")
            where = f" ({site.file}:{site.line})" if site else ""
            lines.append(f"outcome {outcome.event_type} {outcome.value}{where}")
        return lines

    def _find_unlinked(self) -> list[StoredOutcome]:
        linked = {outcome.id for conversation in self._read() for outcome in conversation.outcomes}
        return [outcome for outcome in reading.read_outcomes(self._store) if outcome.id not in linked]

    def _note_outcome(self, insert_id: str) -> None:
        self._call_sites[insert_id] = find_call_site()

    def _wait_for_change(self, seen: int, until_s: float) -> None:
        """Wait until something is stored that was not seen yet, or the time is over."""
        committed = self._store.committed
        with committed:
            committed.wait_for(lambda: self._store.changes != seen, max(until_s - time.monotonic(), 0))


@contextmanager
def capturing(faults: GreenflashFaults) -> Iterator[CapturedConversations]:
    """Capture within the block, which begins without settings, without a conversation and without a memory."""
    conversations = CapturedConversations(faults)
    with ExitStack() as stack:
        stack.enter_context(_without_settings())
        stack.enter_context(_without_context())
        client = stack.enter_context(conversations.open_client())
        try:
            with runtime.capturing(conversations.make_redirection(client)):
                yield conversations
                faults.clear()
        finally:
            conversations.close()


@contextmanager
def _without_settings() -> Iterator[None]:
    """Hide the variables of all settings."""
    names = {name for setting in SETTINGS.values() for name in setting.variables}
    names |= {name for name in os.environ if name.startswith("GREENFLASH_")}
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        for name in [name for name in os.environ if name in names or name.startswith("GREENFLASH_")]:
            del os.environ[name]
        os.environ.update(hidden)


@contextmanager
def _without_context() -> Iterator[None]:
    """Begin outside of every block, and leave those that a test did not."""
    before = otel_context.get_current()
    otel_context.attach(Context())
    try:
        yield
    finally:
        otel_context.attach(before)
