"""Updates of one conversation that wait behind each other leave as one; what was attempted stays as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.schema import Entry
from greenflash_otel.delivery.sender import Sender
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.merging import Merger
from greenflash_otel.greenflash_api.request import MAX_BYTES, MAX_ITEMS, ApiRequest, encode
from tests.delivery import test_model
from tests.delivery.fakes import SUCCESS, Clock, Wire, answers, ids_of, ids_of_all, outcome
from tests.delivery.processes import killed
from tests.delivery.test_outbox import claimed
from tests.speed.test_delivery import delete_delivered

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "100"))


def update(conversation: str, *ids: str, size: int = 0, **fields: Any) -> ApiRequest:
    """A request as the library writes one: its messages come last."""
    items = [{"externalMessageId": id, "content": "x" * size} for id in ids]
    body = encode({"externalConversationId": conversation, **fields, "messages": items})
    return ApiRequest("messages", "/messages", body, conversation, len(items))


def drained(outbox: Outbox) -> list[list[str]]:
    """The ids in each of the requests that are due."""
    found = []
    while (entry := outbox.claim_next(0.0)) is not None:
        found.append(ids_of(entry.request))
        outbox.acknowledge(entry)
    return found


@pytest.fixture(params=["memory", "disk"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where the outbox is."""
    return ":memory:" if request.param == "memory" else tmp_path


def test_what_waits_leaves_as_one(where: str | Path) -> None:
    """With the bytes that each message had, in order, and the counts are right."""
    with closing(Outbox(where)) as outbox:
        outbox.put([update("one", "a", "b"), update("two", "x"), update("one", "c")])
        outbox.put([update("one", "d")])
        entry = claimed(outbox)
        assert entry.request == update("one", "a", "b", "c", "d")
        outbox.acknowledge(entry)
        assert drained(outbox) == [["x"]]
        assert (outbox.get_stats().delivered, outbox.get_stats().pending) == (5, 0)


def test_what_is_out_or_was_is_not_touched(where: str | Path) -> None:
    """The next attempt has the same bytes, whatever came meanwhile; that leaves as one behind it."""
    with closing(Outbox(where)) as outbox:
        outbox.put([update("one", "a")])
        first = claimed(outbox)
        outbox.put([update("one", "b"), update("one", "c")])
        outbox.postpone(first, 5.0)
        outbox.put([update("one", "d")])
        again = claimed(outbox, 5.0)
        assert (again.request, again.attempt) == (first.request, 2)
        outbox.acknowledge(again)
        assert drained(outbox) == [["b", "c", "d"]]


def test_what_does_not_continue_it_is_left(where: str | Path) -> None:
    """Another user, model or property, an outcome between, another path: each keeps its own request."""
    with closing(Outbox(where)) as outbox:
        outbox.put([update("one", "a"), update("one", "b", model="m"), update("one", "c", model="m")])
        outbox.put([outcome("one", "o"), update("one", "d", model="m"), update("one", "e")])
        assert drained(outbox) == [["a"], ["b", "c"], ["o"], ["d"], ["e"]]


def test_the_limits_of_a_request(where: str | Path) -> None:
    """At most 100 messages, and a megabyte."""
    with closing(Outbox(where)) as outbox:
        outbox.put([update("many", *(f"{n}-{i}" for i in range(7))) for n in range(40)])
        outbox.put([update("large", str(n), size=MAX_BYTES // 3) for n in range(7)])
        sizes = []
        while (entry := outbox.claim_next(0.0)) is not None:
            sizes.append((entry.request.items, len(entry.request.body)))
            outbox.acknowledge(entry)
        assert all(items <= MAX_ITEMS and size <= MAX_BYTES for items, size in sizes)
        assert [items for items, _ in sizes if items > 6] == [98, 98, 84]
        assert [items for items, _ in sizes if items <= 6] == [2, 2, 2, 1]


def test_what_is_refused_is_found_and_stays_apart(tmp_path: Path) -> None:
    """One bad message of what was merged costs only itself, and its neighbours are not merged with it again."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([update("one", id) for id in "abcdefgh"])
        wire = Wire(lambda r: Answer(400, b'{"message":"no"}') if "e" in ids_of(r) else SUCCESS)
        sender = Sender(outbox, wire, clock=Clock(), rng=lambda: 0.5, has_accepted=True)
        while sender.send_next():
            pass
        delivered = [id for request in wire.sent if "e" not in ids_of(request) for id in ids_of(request)]
        assert delivered == list("abcdfgh")
        assert len(wire.sent) <= 1 + 2 * 3
        assert outbox.get_stats().rejected == 1


def test_failed_attempts_have_the_same_bytes(tmp_path: Path) -> None:
    """Through an outage during which more comes."""
    clock, wire = Clock(), Wire(answers(*[Answer(503)] * 6))
    with closing(Outbox(tmp_path)) as outbox:
        sender = Sender(outbox, wire, clock=clock, rng=lambda: 0.5)
        for n in range(20):
            outbox.put([update("one", str(n))])
            sender.send_next()
            clock.now_s += 100.0
        while sender.send_next():
            clock.now_s += 100.0
    bodies: dict[str, set[bytes]] = {}
    for request in wire.sent:
        bodies.setdefault(ids_of(request)[0], set()).add(request.body)
    assert all(len(same) == 1 for same in bodies.values())
    assert [str(n) for n in range(1, 8)] in [ids_of(request) for request in wire.sent]


def test_what_an_earlier_process_left_is_not_merged(tmp_path: Path) -> None:
    """It may have sent some of it; what this process adds behind it is merged."""
    killed(
        """
from tests.speed.test_delivery_merging import update
outbox = Outbox(sys.argv[1])
outbox.put([update("one", "a"), update("one", "b")])
print("put", flush=True)
sys.stdin.read()
""",
        tmp_path,
    )
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([update("one", "c"), update("one", "d")])
        assert drained(outbox) == [["a"], ["b"], ["c", "d"]]


def test_it_is_on_disk_before_it_is_sent(tmp_path: Path) -> None:
    """The next process sends the same bytes again."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([update("one", "a"), update("one", "b"), update("one", "c")])
        sent = claimed(outbox).request
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([update("one", "d")])
        assert claimed(outbox).request == sent == update("one", "a", "b", "c")


def test_a_restored_refusal_keeps_its_place_and_its_bytes(where: str | Path) -> None:
    """Before what came after it, also where that is delivered by now or was read ahead."""
    with closing(Outbox(where)) as outbox:
        outbox.put([update("one", "a"), outcome("one", "o"), update("one", "b")])
        first = claimed(outbox)
        id = outbox.reject(first, "HTTP 404", now_s=0.0)
        assert id is not None
        second = claimed(outbox)
        outbox.restore([id])
        outbox.acknowledge(second)
        outbox.put([update("one", "c")])
        assert drained(outbox) == [["a"], ["b", "c"]]
        assert outbox.get_stats().delivered == 4


def test_a_flush_counts_what_was_merged(where: str | Path) -> None:
    """It waits for the entry that carries it, and for nothing else."""
    with closing(Outbox(where)) as outbox:
        outbox.put([update("one", "a"), update("one", "b"), update("two", "x")])
        watch = outbox.watch()
        assert watch is not None
        assert watch.left == 3
        outbox.put([update("one", "c")])
        one, two = claimed(outbox), claimed(outbox)
        assert ids_of(one.request) == ["a", "b", "c"]
        assert watch.left == 2
        outbox.acknowledge(two)
        outbox.acknowledge(one)
        assert watch.left == 0


TEXTS = st.text(st.sampled_from('a"\\messages:[]{}, é\u2028'), max_size=12)
FIELDS = st.fixed_dictionaries(
    {},
    optional={"model": TEXTS, "properties": st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2), max_size=2)},
)
NESTED = st.sampled_from(
    [{}, {"properties": {"messages": []}}, {"properties": {"messages": [{"messages": [1]}]}}]
)


@given(
    fields=FIELDS,
    nested=NESTED,
    parts=st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=5),
)
@settings(max_examples=EXAMPLES)
def test_a_merged_body_says_what_its_parts_said(
    fields: dict[str, Any], nested: dict[str, Any], parts: Sequence[Sequence[str]]
) -> None:
    """Whatever the other fields contain: the same fields once, and all messages in order."""
    requests = [update("c", *part, **{**fields, **nested}) for part in parts]
    merger = Merger(requests[0])
    assert all(merger.add(request) for request in requests[1:])
    merged = merger.merge()
    body = json.loads(merged.body)
    assert body.pop("messages") == [m for request in requests for m in json.loads(request.body)["messages"]]
    assert body == {"externalConversationId": "c", **fields, **nested}
    assert merged.items == sum(map(len, parts))
    assert merged.body == encode(json.loads(merged.body))


def test_only_requests_that_end_with_their_messages_are_merged() -> None:
    """Others are left as they are, also one that holds none."""
    other = ApiRequest("messages", "/messages", b'{"messages":[{}],"model":"m"}', "one")
    empty = ApiRequest("messages", "/messages", b'{"a":1,"messages":[]}', "one", 0)
    for first in (other, empty, outcome("one", "o")):
        assert not Merger(first).add(first)


class MergingDelivery(test_model.Delivery):
    """The model of delivery with requests that can be merged."""

    def some_messages(self, conversation: str, names: Sequence[str]) -> ApiRequest:
        """Messages of a conversation."""
        size = max(test_model.SIZES[name] for name in names)
        return update(conversation, *(f"{name}{next(self.names)}" for name in names), size=size)


TestMergingDelivery = pytest.mark.timeout(max(600, EXAMPLES))(MergingDelivery.TestCase)
TestMergingDelivery.settings = test_model.TestDelivery.settings  # type: ignore[attr-defined]


def test_deleting_waits_for_an_idle_moment_only(tmp_path: Path) -> None:
    """What is delivered is not sent again by this process, deleted or not."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([update("one", str(n), model=str(n)) for n in range(100)])
        assert ids_of_all(entry.request for entry in iter(lambda: _settled(outbox), None)) == [
            str(n) for n in range(100)
        ]
        delete_delivered(outbox)
    assert list(tmp_path.iterdir()) == []


def _settled(outbox: Outbox) -> Entry | None:
    if (entry := outbox.claim_next(0.0)) is not None:
        outbox.acknowledge(entry)
    return entry
