"""A name that only an outer span has reaches the calls that arrived before it, each message once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.ingest.waiting_spans import MOST_WAITS
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.semconv.registry import OURS
from greenflash_otel.state_record import StateRecord
from tests.api.wire import ADDRESS

WAIT_S = 10.0
WAIT_NS = int(WAIT_S * 1e9)
START_NS = 1_700_000_000_000_000_000
NAMES = {"session.id": "sess-7", "user.id": "ada"}


@dataclass
class Greenflash:
    """What arrived, the state records of one outbox, and the time."""

    now_ns: int = START_NS
    refuses: bool = False
    users: dict[str, str] = field(default_factory=dict)
    messages: dict[str, dict[str, str]] = field(default_factory=dict)
    """Contents by message id, by conversation."""
    stored: dict[str, list[str]] = field(default_factory=dict)

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep requests as Greenflash does, and state records as the outbox does."""
        if self.refuses:
            return tuple(requests)
        for request in requests:
            body = json.loads(request.body)
            id = body["externalConversationId"]
            known = self.messages.setdefault(id, {})
            for message in body["messages"]:
                known.setdefault(message["externalMessageId"], message.get("content", ""))
            self.users[id] = body["externalUserId"]
        for note in notes:
            before = self.stored.get(note.key, []) if note.appends else []
            self.stored[note.key] = before + ([note.value] if note.value is not None else [])
        return ()

    def recall(self, key: str) -> Sequence[str]:
        """Return what an earlier process stored under a key."""
        return self.stored.get(key, [])

    def recall_inherited(self, prefix: str) -> Sequence[str]:
        """Return all that is stored under keys with a prefix."""
        return [value for key, values in self.stored.items() if key.startswith(prefix) for value in values]

    def expect_recalls(self) -> None:
        """It always finds what it has."""

    def start(self) -> Ingest:
        """Start a process with this outbox; what an earlier one had in memory is gone."""
        return Ingest(
            self,
            ADDRESS,
            conversations=ConversationStore(reader=self),
            name_wait_s=WAIT_S,
            now_ns=lambda: self.now_ns,
        )

    def list_texts(self) -> dict[str, list[str]]:
        """Return what was said, by conversation."""
        return {id: [text for text in said.values() if text] for id, said in self.messages.items() if said}


@pytest.fixture
def greenflash() -> Greenflash:
    """One that nothing has arrived at."""
    return Greenflash()


def write_messages(*texts: str) -> str:
    """Write texts of the user and the assistant in turn as messages of OpenTelemetry's."""
    roles = itertools.cycle(("user", "assistant"))
    parts = [
        {"role": role, "parts": [{"type": "text", "content": text}]}
        for role, text in zip(roles, texts, strict=False)
    ]
    return json.dumps(parts)


def make_call(*texts: str, number: int = 1, parent: int | None = None, **more: Any) -> SpanRecord:
    """Make a model call; the last text is its answer."""
    answer = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": texts[-1]}]}])
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": write_messages(*texts[:-1]),
        "gen_ai.output.messages": answer,
    }
    return make_span(number, parent, {**attributes, **more})


def make_span(
    number: int, parent: int | None, attributes: Mapping[str, Any], trace: int = 1, scope: str = "example"
) -> SpanRecord:
    """Make a span that begins before and ends after those of higher numbers."""
    return SpanRecord(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        name="a span",
        start_ns=START_NS + number * 1_000,
        end_ns=START_NS + 1_000_000_000 - number * 1_000,
        parent_span_id=f"{parent:016x}" if parent is not None else None,
        attributes=attributes,
        scope=scope,
    )


ROOTS = {
    "Agno": {"openinference.span.kind": "AGENT", "input.value": "Which plan?", **NAMES},
    "invoke_agent": {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": "sess-7",
        "user.id": "ada",
    },
    "invoke_workflow": {"gen_ai.operation.name": "invoke_workflow", **NAMES},
    "Traceloop": {
        "traceloop.span.kind": "workflow",
        "traceloop.association.properties.session_id": "sess-7",
        "traceloop.association.properties.user_id": "ada",
    },
    "an HTTP server": {"http.request.method": "POST", "url.path": "/chat", **NAMES},
}
CALL = make_call("Which plan?", "Team.", number=3, parent=2)
HTTP_CLIENT = make_span(2, 1, {"http.request.method": "POST"})
ROOT = make_span(1, None, ROOTS["an HTTP server"])


@pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)
def test_a_root_that_ends_last(root: Mapping[str, Any], greenflash: Greenflash) -> None:
    """The call waits for it, and is recorded once, under its names."""
    ingest = greenflash.start()
    assert ingest.take([make_call("Which plan?", "Team.", number=2, parent=1)])
    assert greenflash.list_texts() == {} and len(ingest.waiting) == 1
    assert ingest.take([make_span(1, None, root)])
    ingest.emit_all_waiting()
    assert greenflash.list_texts() == {"sess-7": ["Which plan?", "Team."]}
    assert greenflash.users == {"sess-7": "ada"}
    assert len(ingest.waiting) == 0


@given(
    order=st.permutations([CALL, HTTP_CLIENT, ROOT]), again=st.lists(st.sampled_from([0, 1, 2]), max_size=4)
)
def test_any_order_and_any_number_of_times(order: list[SpanRecord], again: list[int]) -> None:
    """The name arrives, whichever request brings which span, and each message is recorded once."""
    greenflash = Greenflash()
    ingest = greenflash.start()
    for span in (*order[:2], *(order[at] for at in again), order[2], *(order[at] for at in again)):
        assert ingest.take([span])
    ingest.emit_all_waiting()
    assert greenflash.list_texts() == {"sess-7": ["Which plan?", "Team."]}
    assert greenflash.users == {"sess-7": "ada"}


@given(order=st.permutations([CALL, HTTP_CLIENT, ROOT]), died_after=st.integers(1, 2))
def test_a_process_that_dies_while_a_call_waits(order: list[SpanRecord], died_after: int) -> None:
    """What was acknowledged is on disk: the next process records it once, and under its name if that comes."""
    greenflash = Greenflash()
    ingest = greenflash.start()
    for span in order[:died_after]:
        assert ingest.take([span])
    ingest = greenflash.start()
    for span in order[died_after:]:
        assert ingest.take([span])
    ingest.emit_all_waiting()
    (said,) = greenflash.list_texts().values()
    assert said == ["Which plan?", "Team."]
    if order.index(CALL) < died_after <= order.index(ROOT):
        assert greenflash.users == {"sess-7": "ada"}


def test_a_name_on_the_resource_of_a_call_that_waits(greenflash: Greenflash) -> None:
    """The next process knows it."""
    resource = {"session.id": "sess-7", "user.id": "ada", "host.name": "h"}
    assert greenflash.start().take([replace(CALL, resource=resource)])
    assert "host.name" not in str(greenflash.stored)
    ingest = greenflash.start()
    ingest.take([])
    ingest.emit_all_waiting()
    assert greenflash.list_texts() == {"sess-7": ["Which plan?", "Team."]}
    assert greenflash.users == {"sess-7": "ada"}


NAMED = {"gen_ai.conversation.id": "c", "user.id": "ada"}


@pytest.mark.parametrize(
    "span",
    [
        make_call("Which plan?", "Team.", number=2, parent=1, **NAMED),
        make_call("Which plan?", "Team.", number=1),
        replace(make_call("Which plan?", "Team.", number=2, parent=1), scope=OURS),
    ],
    ids=["named", "a root", "ours"],
)
def test_what_does_not_wait(span: SpanRecord, greenflash: Greenflash) -> None:
    """A call that names a conversation and a user, a root, and a span of our own are recorded at once."""
    ingest = greenflash.start()
    assert ingest.take([span])
    assert list(greenflash.list_texts().values()) == [["Which plan?", "Team."]]
    assert len(ingest.waiting) == 0


def test_a_root_that_has_come(greenflash: Greenflash) -> None:
    """A call in a trace that is known up to its root does not wait, though nothing names it."""
    ingest = greenflash.start()
    ingest.take([make_span(1, None, {"http.request.method": "POST"})])
    ingest.take([make_call("Which plan?", "Team.", number=2, parent=1)])
    assert list(greenflash.list_texts().values()) == [["Which plan?", "Team."]]


def test_a_parent_that_never_comes(greenflash: Greenflash) -> None:
    """After the wait the call is recorded without a name, once, also if nothing else arrives."""
    ingest = greenflash.start()
    ingest.take([CALL])
    assert ingest.find_due_s() == WAIT_S
    greenflash.now_ns += WAIT_NS - 1
    ingest.emit_overdue()
    assert greenflash.list_texts() == {}
    greenflash.now_ns += 1
    assert ingest.find_due_s() == 0
    ingest.emit_overdue()
    assert list(greenflash.list_texts().values()) == [["Which plan?", "Team."]]
    ingest.take([CALL])
    ingest.emit_all_waiting()
    assert list(greenflash.list_texts().values()) == [["Which plan?", "Team."]]


def test_a_name_that_comes_after_the_wait(greenflash: Greenflash) -> None:
    """What was recorded without a name is not recorded again under one; what is new gets the name."""
    ingest = greenflash.start()
    ingest.take([CALL])
    greenflash.now_ns += WAIT_NS
    ingest.take([ROOT])
    ingest.take([CALL])
    second = make_call("Which plan?", "Team.", "And the price?", "Ten.", number=4)
    ingest.take([replace(second, trace_id=f"{2:032x}", attributes={**second.attributes, **NAMES})])
    ingest.emit_all_waiting()
    unnamed_id, named_id = greenflash.list_texts()
    assert named_id == "sess-7"
    assert greenflash.list_texts() == {
        unnamed_id: ["Which plan?", "Team."],
        named_id: ["And the price?", "Ten."],
    }


def test_a_trace_that_goes_on(greenflash: Greenflash) -> None:
    """Each new span begins another wait, up to a bound."""
    ingest = greenflash.start()
    for number in range(MOST_WAITS):
        ingest.take([make_call(f"question {number}", f"answer {number}", number=10 + number, parent=1)])
        greenflash.now_ns += WAIT_NS - 1
    assert greenflash.list_texts() == {}
    greenflash.now_ns += MOST_WAITS
    ingest.emit_overdue()
    (said,) = greenflash.list_texts().values()
    assert len(said) == 2 * MOST_WAITS


def test_two_services(greenflash: Greenflash) -> None:
    """The name is in the application; the service that calls the model exports first."""
    ingest = greenflash.start()
    ingest.take([CALL, HTTP_CLIENT])
    assert greenflash.list_texts() == {}
    ingest.take([ROOT])
    assert greenflash.list_texts() == {"sess-7": ["Which plan?", "Team."]}


def test_two_agents_in_a_trace(greenflash: Greenflash) -> None:
    """A call waits for the agent that it ran in, also if the trace knows the name of another one."""
    ingest = greenflash.start()
    ingest.take(
        [make_call("To A", "From A", number=6, parent=4), make_call("To B", "From B", number=5, parent=3)]
    )
    for number, name in ((4, "A"), (3, "B")):
        agent = {"openinference.span.kind": "AGENT", "session.id": name, "user.id": "ada"}
        ingest.take([make_span(number, 1, agent)])
    assert greenflash.list_texts() == {"A": ["To A", "From A"], "B": ["To B", "From B"]}


def test_a_tool_loop_whose_name_comes_too_late(greenflash: Greenflash) -> None:
    """What its trace began without a name it continues without."""
    asks = json.dumps(
        [{"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "look", "arguments": {}}]}]
    )
    first = make_call("Look it up.", "", number=5, parent=2)
    first = replace(first, attributes={**first.attributes, "gen_ai.output.messages": asks})
    tool = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "42"}]}
    history = [*json.loads(write_messages("Look it up.")), *json.loads(asks), tool]
    second = make_call("", "It is 42.", number=4, parent=2)
    second = replace(second, attributes={**second.attributes, "gen_ai.input.messages": json.dumps(history)})
    ingest = greenflash.start()
    ingest.take([first])
    greenflash.now_ns += WAIT_NS
    ingest.take([ROOT])
    ingest.take([second])
    ingest.emit_all_waiting()
    (said,) = greenflash.list_texts().values()
    assert said == ["Look it up.", "It is 42."]


def test_a_user_that_only_the_root_names(greenflash: Greenflash) -> None:
    """A conversation is no user: the call waits for that, too."""
    ingest = greenflash.start()
    ingest.take([make_call("Which plan?", "Team.", number=2, parent=1, **{"session.id": "s"})])
    ingest.take([make_span(1, None, {"user.id": "ada"})])
    assert greenflash.users == {"s": "ada"}


def test_log_records_of_a_call_that_waits() -> None:
    """They reach the call, whether they come before the name or after it."""
    bare = make_span(2, 1, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"})
    question = LogRecord(
        bare.trace_id, bare.span_id, "gen_ai.user.message", START_NS, {"content": "Which plan?"}
    )
    choice: dict[str, Any] = {"index": 0, "message": {"content": "Team."}, "finish_reason": "stop"}
    answer = LogRecord(bare.trace_id, bare.span_id, "gen_ai.choice", START_NS + 1, choice)
    root = make_span(1, None, NAMES)
    for order in itertools.permutations(("span", "logs", "root")):
        fresh = Greenflash()
        ingest = fresh.start()
        for arriving in order:
            if arriving == "logs":
                ingest.take_logs([question, answer])
            else:
                ingest.take([bare if arriving == "span" else root])
        ingest.emit_all_waiting()
        assert fresh.list_texts() == {"sess-7": ["Which plan?", "Team."]}


def test_what_the_store_refused(greenflash: Greenflash) -> None:
    """The call waits again, and gets its name when the root is delivered again."""
    ingest = greenflash.start()
    ingest.take([CALL, HTTP_CLIENT])
    greenflash.refuses = True
    assert not ingest.take([ROOT])
    greenflash.refuses = False
    assert ingest.take([ROOT])
    ingest.emit_all_waiting()
    assert greenflash.list_texts() == {"sess-7": ["Which plan?", "Team."]}


def make_turn(number: int, **more: Any) -> SpanRecord:
    """Make a turn of a chat that resends its history; each turn is a trace of its own."""
    said = [text for at in range(number + 1) for text in (f"question {at}", f"answer {at}")]
    call = make_call(*said, number=100 - number, **more)
    at_ns = START_NS + number * 30_000_000_000
    return replace(call, trace_id=f"{number + 1:032x}", start_ns=at_ns, end_ns=at_ns + 1_000_000_000)


@given(order=st.permutations(range(4)), again=st.lists(st.integers(0, 3), max_size=3))
def test_turns_of_an_unnamed_chat_in_any_order(order: list[int], again: list[int]) -> None:
    """It is one conversation: a turn waits for the one before it."""
    greenflash = Greenflash()
    ingest = greenflash.start()
    for number in (*order, *again):
        assert ingest.take([make_turn(number)])
    ingest.emit_all_waiting()
    (said,) = greenflash.list_texts().values()
    assert sorted(said) == sorted(text for at in range(4) for text in (f"question {at}", f"answer {at}"))


def test_a_turn_whose_history_never_comes(greenflash: Greenflash) -> None:
    """After the wait it begins a conversation, and those that wait for it continue that."""
    ingest = greenflash.start()
    ingest.take([make_turn(1)])
    ingest.take([make_turn(2)])
    assert greenflash.list_texts() == {}
    greenflash.now_ns += WAIT_NS
    ingest.emit_overdue()
    (said,) = greenflash.list_texts().values()
    assert len(said) == 6


def test_a_turn_that_waits_when_the_process_dies(greenflash: Greenflash) -> None:
    """The next process puts the turns in order."""
    assert greenflash.start().take([make_turn(1)])
    ingest = greenflash.start()
    assert ingest.take([make_turn(0)])
    (said,) = greenflash.list_texts().values()
    assert said == ["question 0", "answer 0", "question 1", "answer 1"]


def test_turns_with_late_roots(greenflash: Greenflash) -> None:
    """Three turns of one conversation, each named by its own root, are one conversation."""
    ingest = greenflash.start()
    for number in range(3):
        call = replace(make_turn(number), parent_span_id=f"{7:016x}")
        root = replace(ROOT, trace_id=call.trace_id, span_id=f"{7:016x}", end_ns=call.end_ns + 1)
        ingest.take([call])
        ingest.take([root])
    assert list(greenflash.list_texts()) == ["sess-7"]
    assert len(greenflash.list_texts()["sess-7"]) == 6


def test_no_wait(greenflash: Greenflash) -> None:
    """With 0 seconds nothing waits."""
    ingest = Ingest(greenflash, ADDRESS, name_wait_s=0)
    ingest.take([CALL])
    assert list(greenflash.list_texts().values()) == [["Which plan?", "Team."]]
