"""What waits may be withdrawn, because another span records it."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.changes import DeferralKey, DeferralKind
from greenflash_otel.conversations.deferred import DeferredQueue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.model.operation import ConversationContext, Failure, Message, Operation, Text
from tests.strategies import span_of

KEY = DeferralKey(DeferralKind.TRACE, "t")
BARE = Operation("chat", failure=Failure("Timeout"), ending="failed")


def test_only_what_matches() -> None:
    """The rest waits as long as before, and is stored anew without what was withdrawn."""
    queue = DeferredQueue[str]()
    for entry in ("a", "b"):
        queue.defer(KEY, entry, 5)
    queue.mark_persisted()
    queue.withdraw(lambda entry: entry == "a")
    assert queue.peek(KEY) == ["b"]
    emptied, unpersisted = queue.list_pending_changes()
    assert (emptied, unpersisted) == ([KEY], {KEY: ["b"]})
    assert queue.expire(4) == [] and queue.expire(5) == ["b"]


def test_a_bare_failure_waits() -> None:
    """It begins no conversation at once, and does if it was not withdrawn."""
    store, span = ConversationStore(), span_of(number=1)
    assert assemble(store, span, BARE).messages == ()
    assert [item.type for update in assemble_overdue(store, None) for item in update.messages] == ["llm"]
    store = ConversationStore()
    assemble(store, span, BARE)
    store.withdraw(span)
    assert assemble_overdue(store, None) == []


def test_a_bare_failure_of_ours() -> None:
    """Our own instrumentation records a call once: it does not wait."""
    span = replace(span_of(number=1), scope="greenflash_otel")
    assert [item.type for item in assemble(ConversationStore(), span, BARE).messages] == ["llm"]


def test_a_call_that_says_nothing() -> None:
    """It does not release a failure in its conversation; the question does."""
    store = ConversationStore()
    context = ConversationContext("c")
    failed = Operation("chat", context, failure=Failure("Timeout"), ending="failed")
    assemble(store, span_of(number=1), failed)
    assert assemble(store, span_of(number=2), Operation("chat", context)).messages == ()
    asked = Operation("chat", context, input=(Message("user", (Text("Hi"),)),))
    items = assemble(store, span_of(number=3), asked).messages
    assert [item.type for item in items] == ["user_message", "llm"]
    assert items[1].parent_id == items[0].id
