"""The laws of the outbox that hold in memory as on disk."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.schema import Entry
from tests.delivery.fakes import ids_of, messages, outcome


def claimed(outbox: Outbox, now_s: float = 0.0) -> Entry:
    """The next entry, which there must be."""
    entry = outbox.claim_next(now_s)
    assert entry is not None
    return entry


def drained(outbox: Outbox) -> list[str]:
    """The ids of all that is due, each settled in turn."""
    ids = []
    while (entry := outbox.claim_next(0.0)) is not None:
        ids.extend(ids_of(entry.request))
        outbox.acknowledge(entry)
    return ids


def counts_add_up(outbox: Outbox) -> bool:
    """The law of the counts."""
    c = outbox.get_stats()
    return c.accepted == c.delivered + c.pending + c.rejected + sum(c.lost.values())


def test_what_was_put_comes_out_unchanged(outbox: Outbox) -> None:
    """A claimed entry carries the request that was put, and says which attempt this is."""
    request = messages("chat-42", "a", "b")
    outbox.put([request])
    entry = claimed(outbox)
    assert (entry.request, entry.attempt) == (request, 1)


def test_one_conversation_is_first_in_first_out_one_at_a_time(outbox: Outbox) -> None:
    """While its oldest entry is out, nothing else of the conversation is; then the next one comes."""
    outbox.put([messages("chat-42", "a"), outcome("chat-42", "b")])
    first = claimed(outbox)
    assert ids_of(first.request) == ["a"]
    assert outbox.claim_next(0.0) is None
    outbox.acknowledge(first)
    assert ids_of(claimed(outbox).request) == ["b"]


def test_conversations_do_not_wait_for_each_other(outbox: Outbox) -> None:
    """Each sends its oldest entry; afterwards the others have their turn before it has again."""
    outbox.put([messages("one", "a"), messages("one", "b"), messages("two", "c")])
    first, second = claimed(outbox), claimed(outbox)
    assert [ids_of(first.request), ids_of(second.request)] == [["a"], ["c"]]
    outbox.acknowledge(second)
    assert outbox.claim_next(0.0) is None
    outbox.acknowledge(first)
    assert drained(outbox) == ["b"]


def test_entries_of_no_conversation_wait_for_nobody(outbox: Outbox) -> None:
    """Not even for each other."""
    outbox.put([outcome("", "a"), outcome("", "b")])
    assert [ids_of(claimed(outbox).request), ids_of(claimed(outbox).request)] == [["a"], ["b"]]


def test_a_postponed_entry_waits_and_so_does_what_follows(outbox: Outbox) -> None:
    """It is the same request again, one attempt later, and not before its time."""
    outbox.put([messages("chat-42", "a"), messages("chat-42", "b"), messages("other", "c")])
    outbox.postpone(claimed(outbox), 10.0)
    assert outbox.compute_due_s() == float("-inf")
    assert drained(outbox) == ["c"]
    assert outbox.compute_due_s() == 10.0
    assert outbox.claim_next(9.9) is None
    again = claimed(outbox, 10.0)
    assert (ids_of(again.request), again.attempt) == (["a"], 2)
    outbox.acknowledge(again)
    assert claimed(outbox).attempt == 1


def test_what_waited_comes_behind_what_is_ready(outbox: Outbox) -> None:
    """So an entry that fails again and again keeps no other from its turn."""
    outbox.put([messages("one", "a")])
    outbox.postpone(claimed(outbox), 1.0)
    outbox.put([messages("two", "b")])
    assert ids_of(claimed(outbox, 5.0).request) == ["b"]
    assert ids_of(claimed(outbox, 5.0).request) == ["a"]


def test_hurrying_makes_all_that_waits_due(outbox: Outbox) -> None:
    """In the order in which it would have come."""
    outbox.put([messages("one", "a"), messages("two", "b")])
    outbox.postpone(claimed(outbox), 60.0)
    outbox.postpone(claimed(outbox), 30.0)
    outbox.hurry()
    assert drained(outbox) == ["b", "a"]


def test_what_is_rejected_is_kept_and_not_in_the_way(outbox: Outbox) -> None:
    """The rest of its conversation goes on."""
    outbox.put([messages("chat-42", "a", "b"), messages("chat-42", "c")])
    outbox.reject(claimed(outbox), "HTTP 400: no", now_s=0.0)
    assert drained(outbox) == ["c"]
    counts = outbox.get_stats()
    assert (counts.rejected, counts.delivered, counts.pending) == (2, 1, 0)


def test_parts_take_the_place_of_the_whole(outbox: Outbox) -> None:
    """However often it is split, the order within the conversation stays."""
    outbox.put([messages("chat-42", *"abcd"), messages("chat-42", "e")])
    outbox.replace(claimed(outbox), [messages("chat-42", *"ab"), messages("chat-42", *"cd")], now_s=0.0)
    half = claimed(outbox)
    assert (ids_of(half.request), half.attempt) == (["a", "b"], 1)
    outbox.replace(half, [messages("chat-42", "a"), messages("chat-42", "b")], now_s=0.0)
    outbox.put([messages("chat-42", "f")])
    assert outbox.get_stats().pending == 6
    assert drained(outbox) == list("abcdef")
    assert counts_add_up(outbox)


def test_splitting_down_to_one_of_many(outbox: Outbox) -> None:
    """There is room between two entries for every part of a request of 4096 items."""
    outbox.put([messages("chat-42", *map(str, range(4096))), messages("chat-42", "last")])
    entry = claimed(outbox)
    while (ids := ids_of(entry.request))[1:]:
        middle = len(ids) // 2
        halves = [messages("chat-42", *ids[:middle]), messages("chat-42", *ids[middle:])]
        outbox.replace(entry, halves, now_s=0.0)
        entry = claimed(outbox)
    outbox.acknowledge(entry)
    assert [*ids, *drained(outbox)] == [*map(str, range(4096)), "last"]


def test_a_full_outbox_refuses_the_newest_and_counts_it() -> None:
    """What was there stays; the loss has a name, and when there is room again so have new requests."""
    outbox = Outbox(":memory:", limit_bytes=500_000)
    outbox.put([messages(f"chat-{i}", f"{i}-a", f"{i}-b", size=10_000) for i in range(40)])
    counts = outbox.get_stats()
    assert counts.accepted == 80
    assert counts.lost == {"outbox_full": 80 - counts.pending}
    assert 30 < counts.pending < 60
    assert drained(outbox)[:2] == ["0-a", "0-b"]
    outbox.put([messages("chat-42", "new", size=10_000)])
    assert outbox.get_stats().pending == 1
    outbox.close()


def test_outcomes_have_a_reserve() -> None:
    """Where messages are refused, an outcome still finds room, but not without end."""
    outbox = Outbox(":memory:", limit_bytes=500_000)
    outbox.put([messages("chat-42", str(i), size=5_000) for i in range(200)])
    refused = outbox.get_stats().lost["outbox_full"]
    outbox.put([outcome("chat-42", f"o{i}", size=1_000) for i in range(5)])
    outbox.put([messages("chat-42", "m")])
    assert outbox.get_stats().lost == {"outbox_full": refused + 1}
    outbox.put([outcome("chat-42", f"p{i}", size=5_000) for i in range(200)])
    assert outbox.get_stats().lost["outbox_full"] > refused + 1
    assert counts_add_up(outbox)
    outbox.close()


def test_a_mark_says_what_came_before_it(outbox: Outbox) -> None:
    """It is clear when all of that is delivered or set aside, whatever came later."""
    empty = outbox.watch()
    assert empty is not None
    assert empty.left == 0
    outbox.put([messages("one", "a", "b")])
    watch = outbox.watch()
    assert watch is not None
    outbox.put([messages("two", "c")])
    entry = claimed(outbox)
    outbox.replace(entry, [messages("one", "a"), messages("one", "b")], now_s=0.0)
    assert watch.left == 2
    other = claimed(outbox)
    assert ids_of(other.request) == ["c"]
    outbox.acknowledge(claimed(outbox))
    outbox.reject(claimed(outbox), "HTTP 400", now_s=0.0)
    assert (watch.left, watch.has_failed) == (0, True)


@pytest.mark.parametrize("name", ["chat\ud800", "chat\0", "", "' OR 1"])
def test_any_name_of_a_conversation_will_do(outbox: Outbox, name: str) -> None:
    """A lone surrogate, which SQLite refuses, is replaced; the body stays as it is."""
    request = replace(messages("chat", "a"), conversation_id=name)
    outbox.put([request])
    assert claimed(outbox).request == replace(request, conversation_id=name.replace("\ud800", "?"))


def test_many_threads_put_at_once(outbox: Outbox) -> None:
    """Nothing is lost between them, and each conversation keeps its order."""

    def put_some(name: str) -> None:
        for i in range(50):
            outbox.put([messages(name, f"{name}-{i}")])

    threads = [threading.Thread(target=put_some, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = drained(outbox)
    for n in range(8):
        assert [id for id in ids if id.startswith(f"t{n}-")] == [f"t{n}-{i}" for i in range(50)]


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_closed_outbox_does_nothing_and_says_so(where: str, tmp_path: Path) -> None:
    """What is put then is lost by name; what was out or waits is pending; nothing raises."""
    outbox = Outbox(":memory:" if where == "memory" else tmp_path)
    outbox.put([messages("chat-42", "a"), messages("other", "b")])
    entry = claimed(outbox)
    outbox.close()
    outbox.close()
    outbox.put([messages("chat-42", "c", "d")])
    outbox.acknowledge(entry)
    outbox.postpone(entry, 5.0)
    outbox.reject(entry, "x", now_s=0.0)
    outbox.replace(entry, [], now_s=0.0)
    outbox.hurry()
    assert outbox.claim_next(0.0) is None
    assert outbox.compute_due_s() is None
    counts = outbox.get_stats()
    assert (counts.accepted, counts.pending, counts.lost) == (4, 2, {"closed": 2})


def test_counts_tell_what_was_sampled_out(outbox: Outbox) -> None:
    """It is part of what was delivered."""
    outbox.put([messages("one", "a", "b"), messages("two", "c")])
    outbox.acknowledge(claimed(outbox), sampled_out=True)
    outbox.acknowledge(claimed(outbox))
    counts = outbox.get_stats()
    assert (counts.accepted, counts.delivered, counts.sampled_out) == (3, 3, 2)
