"""What arrives of the spans of other instrumentations, compared with the conversations that took place.

The spans go the way all spans go: through `Ingest` into a store, where the requests are read again.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.state_record import StateRecord
from tests.api.wire import ADDRESS
from tests.fidelity.corpus import Recording, Said

TYPES: Mapping[str, tuple[str, ...]] = {
    "assistant_message": ("assistant_message", "final_response"),
    "observation": ("observation",),
}
"""Greenflash's types by that of the manifest, where they are not the same."""

STEPS = ("llm", "chain_start", "chain_end", "task", "workflow", "callback")
"""Types that the manifest does not tell of."""

KINDS: Mapping[str, str] = {"embedding": "embed", "retrieval": "retriev"}
"""What the span of a step is named or marked with."""
NAMES_OF_KINDS = (
    "openinference.span.kind",
    "langfuse.observation.type",
    "ai.operationId",
    "llm.request.type",
    "mlflow.spanType",
    "langsmith.span.kind",
)

LEAST_CUT = 200
"""Characters of a text that was cut by which it is recognised."""


@dataclass(frozen=True)
class Score:
    """How much of what a recording holds arrived, and what is wrong with it."""

    recoverable: int = 0
    recovered: int = 0
    beyond: int = 0
    """Messages that arrived though the recording does not hold the whole of them as a value of its own."""
    wrong_type: int = 0
    wrong_parent: int = 0
    wrong_order: int = 0
    twice: int = 0
    invented: int = 0
    split: int = 0
    """Conversations that arrived as several."""
    merged: int = 0
    """Conversations that arrived together with another one."""
    wrong_id: int = 0
    """Conversations without the id, or the user, that the recording names."""

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def wrong(self) -> Mapping[str, int]:
        """What is wrong, by name, where anything is."""
        names = [
            field.name for field in fields(self) if field.name not in ("recoverable", "recovered", "beyond")
        ]
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    @property
    def is_perfect(self) -> bool:
        """Whether all that could arrive did, and nothing else."""
        return self.recovered == self.recoverable and not self.wrong


@dataclass
class Arrived:
    """What Greenflash has when all has arrived."""

    items: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """Messages with their conversation's id; each id once, as Greenflash keeps them."""
    prompts: dict[str, list[str]] = field(default_factory=dict)
    """System prompts by conversation."""
    users: dict[str, str] = field(default_factory=dict)
    """User by conversation."""

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Take requests, as the outbox would."""
        for request in requests:
            body = json.loads(request.body)
            id = body["externalConversationId"]
            known = {item["externalMessageId"] for home, item in self.items if home == id}
            self.items += [
                (id, message) for message in body["messages"] if message["externalMessageId"] not in known
            ]
            self.users[id] = body["externalUserId"]
            if prompt := body.get("systemPrompt"):
                self.prompts.setdefault(id, []).append(prompt)
        return ()


def arrive(recording: Recording) -> Arrived:
    """Send a recording through the intake: its log records, and then its spans."""
    arrived = Arrived()
    intake = Ingest(arrived, ADDRESS)
    intake.take_logs(recording.logs)
    intake.take(recording.spans)
    intake.emit_all_waiting()
    return arrived


def score(recording: Recording, arrived: Arrived) -> Score:
    """Compare what took place with what arrived."""
    free = list(arrived.items)
    found = [_found(conversation["messages"], free, arrived) for conversation in recording.truth]
    homes = [Counter(home for home, _ in places.values()) for places in found]
    total = Score(
        twice=sum(_is_told(recording, item) for _, item in free),
        invented=sum(not _is_told(recording, item) and item["messageType"] not in STEPS for _, item in free),
    )
    for number, conversation in enumerate(recording.truth):
        others = {home for other, those in enumerate(homes) if other != number for home in those}
        total += Score(split=len(homes[number]) > 1, merged=bool(others & set(homes[number])))
        total += _score(recording, number, found[number])
        total += Score(wrong_id=not _is_named(recording, conversation, homes[number], arrived.users))
    return total


Places = Mapping[int, tuple[str, Mapping[str, Any]]]
"""Conversation id and item by the place of a message in the truth; a system prompt is an item without id."""


def _found(
    messages: Sequence[Said], free: list[tuple[str, Mapping[str, Any]]], arrived: Arrived
) -> dict[int, tuple[str, Mapping[str, Any]]]:
    """Where each message arrived, whole or without its content; what is found is taken from ``free``."""
    found: dict[int, tuple[str, Mapping[str, Any]]] = {}
    for says in (_says, _says_no_more):
        for at, said in enumerate(messages):
            homes = {home for home, _ in found.values()}
            fits = [place for place in free if says(said, place[1])] if at not in found else []
            right = [place for place in fits if place[1]["messageType"] in _types(said)]
            near = [place for place in right if place[0] in homes]
            if best := next(iter([*near, *right, *fits]), None):
                free.remove(best)
                found[at] = best
    homes = {home for home, _ in found.values()}
    for at, said in enumerate(messages):
        if said["type"] == "system_message" and at not in found:
            told = [
                id
                for id, prompts in arrived.prompts.items()
                if any(said["content"] in prompt for prompt in prompts)
            ]
            if right_home := next((id for id in told if not homes or id in homes), None):
                found[at] = (right_home, {"messageType": "system_message", "content": said["content"]})
    return found


def _score(recording: Recording, number: int, found: Places) -> Score:
    messages = recording.truth[number]["messages"]
    total = Score()
    for at, said in enumerate(messages):
        whole = _is_recoverable(recording, said, recording.present[number][at])
        here = at in found and _says(said, found[at][1])
        total += Score(recoverable=whole, recovered=whole and here, beyond=here and not whole)
        if at in found:
            total += _score_item(recording, messages, at, found)
    apart = ("system_message", *KINDS)
    chain = [
        at for at in sorted(found) if messages[at]["type"] not in apart and _says(messages[at], found[at][1])
    ]
    times = [found[at][1]["createdAt"] for at in chain]
    return total + Score(wrong_order=sum(later <= earlier for earlier, later in itertools.pairwise(times)))


def _is_recoverable(recording: Recording, said: Said, present: Mapping[str, Any]) -> bool:
    """Whether all of a message is in the recording, and for a step also a span that tells of it."""
    if not {present["content"], present.get("documents", "leaf")} <= {"leaf", "object", "tool_returned:leaf"}:
        return False
    kind = KINDS.get(said["type"])
    return kind is None or any(kind in told for span in recording.spans for told in _kinds(span))


def _kinds(span: SpanRecord) -> Iterator[str]:
    """By what a span says which kind it is of."""
    yield span.name.lower()
    for name in NAMES_OF_KINDS:
        yield str(span.attributes.get(name) or "").lower()


def _score_item(recording: Recording, messages: Sequence[Said], at: int, found: Places) -> Score:
    item, parent = found[at][1], _parent(messages, at)
    types = _types(messages[at], recording.spans)
    wrong_parent = (
        parent is not None
        and parent in found
        and item.get("parentExternalMessageId") != found[parent][1].get("externalMessageId")
    )
    return Score(wrong_type=item["messageType"] not in types, wrong_parent=wrong_parent)


def _types(said: Said, spans: Sequence[SpanRecord] = ()) -> tuple[str, ...]:
    """What may be made of a message. That a tool failed must be known where a span says so."""
    if said.get("is_error"):
        return ("tool_error",) if _failed(said, spans) else ("tool_error", "observation")
    return TYPES.get(said["type"], (said["type"],))


def _failed(said: Said, spans: Sequence[SpanRecord]) -> bool:
    reason = said["error"].partition(": ")[2]
    texts = [
        str(
            [
                span.status_description,
                *(event.attributes for event in span.events if event.name == "exception"),
            ]
        )
        for span in spans
        if span.status == "error"
    ]
    return any(reason in text for text in texts)


def _parent(messages: Sequence[Said], at: int) -> int | None:
    """The place of what a message answers, or belongs to; None if it is the first, or it does not matter."""
    said, before = messages[at], range(at - 1, -1, -1)

    def last(*types: str, **equal: object) -> int | None:
        fits = (
            entry
            for entry in before
            if messages[entry]["type"] in types and all(messages[entry].get(k) == v for k, v in equal.items())
        )
        return next(fits, None)

    match said["type"]:
        case "observation":
            return last("tool_call", call_id=said["call_id"])
        case "tool_call":
            asked = last("user_message")
            spoke = last("assistant_message", response_id=said.get("response_id"))
            return spoke if spoke is not None and (asked is None or spoke > asked) else asked
        case "user_message":
            return last("user_message", "assistant_message")
        case "assistant_message" | "thought":
            return last("user_message")
        case _:
            return None


def _is_named(
    recording: Recording, conversation: Mapping[str, Any], homes: Mapping[str, int], users: Mapping[str, str]
) -> bool:
    id, user = conversation["conversation_id"], conversation["user_id"]
    if id and homes and recording.ids.get("conversation_id") in ("leaf", "embedded") and set(homes) != {id}:
        return False
    wanted = user and recording.ids.get("user_id") == "leaf"
    return not wanted or all(users[home] == user for home in homes)


# --- what is said ----------------------------------------------------------------------------------


def _is_told(recording: Recording, item: Mapping[str, Any]) -> bool:
    """Whether any message of the truth says what an item says."""
    return any(_says(said, item) for conversation in recording.truth for said in conversation["messages"])


def _says(said: Said, item: Mapping[str, Any]) -> bool:
    """Whether an item is all of a message; of a text that was cut, all that is left."""
    arrived = _content(item)
    return any(_same(content, arrived) for content in _contents(said))


def _says_no_more(said: Said, item: Mapping[str, Any]) -> bool:
    """Whether an item is the message, its content left out."""
    empty = _content(item) in (None, "", {}, [], ["call", said.get("tool_name"), {}])
    if item["messageType"] == "tool_error" and "result" not in item["output"]:
        empty = bool(said.get("is_error"))  # in the instrumentation's own words
    if said["type"] == "retrieval":
        empty = _content(item) == [said["query"], [None] * len(said["documents"])]
    tool = item.get("toolName") in (None, said.get("tool_name"))
    return empty and tool and item["messageType"] in _types(said)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str) and len(other) >= LEAST_CUT:
        return one.startswith(other)
    return bool(one == other)


def _contents(said: Said) -> Iterator[Any]:
    """What an item must say to be a message; more than one where it may be told in several ways."""
    match said["type"]:
        case "tool_call":
            yield ["call", said["tool_name"], said["arguments"]]
        case "embedding":
            yield list(said["input"])
        case "retrieval":
            yield [said["query"], [document["content"] for document in said["documents"]]]
        case "observation":
            yield _plain(said["content"])
            yield _plain(said.get("tool_returned"))
            yield said.get("error") or _plain(said["content"])
            yield (said.get("error") or "").partition(": ")[2] or _plain(said["content"])
        case _:
            yield _plain(said["content"])


def _content(item: Mapping[str, Any]) -> Any:
    output = item.get("output") or {}
    match item["messageType"]:
        case "tool_call":
            return ["call", item.get("toolName"), item.get("input") or {}]
        case "embedding":
            messages = (item.get("input") or {}).get("messages", ())
            return [part["content"] for message in messages for part in message["parts"]]
        case "retrieval":
            documents = [document.get("content") for document in output.get("documents", ())]
            return [(item.get("input") or {}).get("query"), documents]
        case "observation" | "tool_error":
            if "error" in output and "result" not in output:
                return _plain(output["error"].get("message"))
            return _plain(output.get("result", output))
        case "thought":
            return _plain(output.get("text"))
    return _plain(item.get("content"))


def _plain(value: Any) -> Any:
    """Text without white space around it, and decoded where it is JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value.strip()
