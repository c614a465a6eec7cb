"""Hidden steps belong to the question that they were made for; what waits loses nothing of its request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.model.operation import (
    EMBEDDINGS,
    RETRIEVAL,
    TURN,
    ConversationContext,
    Message,
    Operation,
    Other,
    PromptTemplate,
    Text,
    ToolCall,
    VoiceCall,
)
from greenflash_otel.model.telemetry import SpanRecord

CATS, DOGS = "How long do cats sleep?", "And how long do dogs sleep?"
LONG = "Sixteen hours a day."
HERE = ConversationContext("pets", "ada")
SYSTEM = Message("system", (Text("Be brief."),))


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def assistant(text: str) -> Message:
    return Message("assistant", (Text(text),))


def chat(*texts: str, answer: str, context: ConversationContext = HERE) -> Operation:
    said = tuple(user(text) if at % 2 == 0 else assistant(text) for at, text in enumerate(texts))
    return Operation("chat", context, input=(SYSTEM, *said), output=(assistant(answer),))


def retrieval(query: str, *found: str, context: ConversationContext = HERE) -> Operation:
    documents = tuple(Other("document", {"content": entry}) for entry in found)
    return Operation(RETRIEVAL, context, input=(user(query),), output=(Message("tool", documents),))


def at(start: int, end: int, trace: int) -> SpanRecord:
    return SpanRecord(f"{trace:032x}", f"{start:016x}", "step", start * 10**6, end * 10**6)


def run(*spans: tuple[SpanRecord, Operation]) -> list[MessageItem]:
    store, updates = ConversationStore(), list[ConversationUpdate]()
    for span, operation in spans:
        updates += assemble(store, span, operation).list_in_order()
    updates += assemble_overdue(store, None)
    return [item for update in updates for item in update.messages]


def questions_of_steps(items: list[MessageItem]) -> list[str | None]:
    by_id = {item.id: item for item in items}
    return [by_id[item.parent_id].content if item.parent_id else None for item in items if not item.content]


@pytest.mark.parametrize("name", [EMBEDDINGS, "moderation", "transcription", "chat"])
@pytest.mark.parametrize("same_trace", [True, False])
def test_a_step_belongs_to_the_question_that_follows(name: str, same_trace: bool) -> None:
    """In the first turn too, and whether or not one trace has the step and the call."""
    guard = replace(HERE, internal=True)
    step = Operation(name, guard, input=(user(CATS),))
    traces = [1, 1, 2, 2] if same_trace else [1, 2, 3, 4]
    items = run(
        (at(10, 20, traces[0]), step),
        (at(30, 40, traces[1]), chat(CATS, answer=LONG)),
        (at(50, 60, traces[2]), replace(step, input=(user(DOGS),))),
        (at(70, 80, traces[3]), chat(CATS, LONG, DOGS, answer="About ten.")),
    )
    assert questions_of_steps(items) == [CATS, DOGS]
    known = set[str | None]({None})
    for item in items:
        assert item.parent_id in known, "a parent comes first"
        known.add(item.id)
    assert [item.created_at_ms for item in items] == sorted({item.created_at_ms for item in items})


def test_one_trace_of_a_whole_conversation() -> None:
    """A title after the answer quotes it; what is looked up then has the words of the next question."""
    title = Operation("chat", replace(HERE, internal=True), input=(user(f"Title: {CATS} {LONG}"),))
    items = run(
        (at(10, 20, 1), retrieval(CATS, "cats")),
        (at(30, 40, 1), chat(CATS, answer=LONG)),
        (at(41, 42, 1), title),
        (at(50, 60, 1), retrieval(DOGS, "dogs")),
        (at(70, 80, 1), chat(CATS, LONG, DOGS, answer="About ten.")),
    )
    assert questions_of_steps(items) == [CATS, CATS, DOGS]
    assert [item.context for item in items if item.type == "assistant_message"] == ["cats", "dogs"]


def test_a_step_that_quotes_nothing_belongs_to_the_nearer_question() -> None:
    other = Operation("image_generation", HERE, input=(user("draw"),))
    items = run(
        (at(30, 40, 1), chat(CATS, answer=LONG)),
        (at(41, 45, 2), other),
        (at(900, 910, 3), other),
        (at(920, 940, 4), chat(CATS, LONG, DOGS, answer="About ten.")),
    )
    assert questions_of_steps(items) == [CATS, DOGS]


def test_a_step_that_ran_next_to_the_call_is_emitted_at_once() -> None:
    store = ConversationStore()
    assemble(store, at(30, 40, 1), chat(CATS, answer=LONG))
    (step,) = assemble(store, at(31, 45, 2), Operation("moderation", HERE, input=(user("x"),))).messages
    assert step.parent_id is not None
    assert len(store.deferred) == 0


def test_a_step_of_a_block_waits_for_its_question() -> None:
    """Also if the block turns out to continue another conversation."""
    first, second = ConversationContext(scope_id="one"), ConversationContext(scope_id="two")
    items = run(
        (at(10, 20, 1), Operation(EMBEDDINGS, first, input=(user(CATS),))),
        (at(30, 40, 2), chat(CATS, answer=LONG, context=first)),
        (at(50, 60, 3), Operation(EMBEDDINGS, second, input=(user(DOGS),))),
        (at(70, 80, 4), chat(CATS, LONG, DOGS, answer="About ten.", context=second)),
    )
    assert questions_of_steps(items) == [CATS, DOGS]


def test_what_was_found_is_the_context_of_the_answer_after_a_tool() -> None:
    """The call that asks for a tool says nothing to the user yet. A document that two steps find counts once."""
    asks = Operation(
        "chat", HERE, input=(SYSTEM, user(CATS)), output=(Message("assistant", (ToolCall("find", {}, "c"),)),)
    )
    answers = replace(chat(CATS, answer=LONG), input=(*asks.input, *asks.output))
    items = run(
        (at(10, 20, 1), retrieval("sleep of cats", "cats", "naps")),
        (at(30, 40, 1), asks),
        (at(50, 60, 1), retrieval("naps of cats", "naps")),
        (at(70, 80, 1), answers),
    )
    assert [item.context for item in items if item.content and item.type != "user_message"] == [
        "cats\n\nnaps"
    ]
    assert sum(item.type == "retrieval" for item in items) == 2


def test_what_a_step_says_of_the_conversation_is_sent_with_the_call() -> None:
    context = ConversationContext("pets", "ada", "acme", {"plan": "free"})
    call = VoiceCall("openai_realtime", "call_1")
    store = ConversationStore()
    assemble(store, at(10, 20, 1), Operation(EMBEDDINGS, context, input=(user(CATS),), voice_call=call))
    update = assemble(store, at(30, 40, 1), chat(CATS, answer=LONG, context=ConversationContext("pets")))
    assert (update.user_id, update.organization_id) == ("ada", "acme")
    assert (update.properties, update.voice_call) == ({"plan": "free"}, call)


def test_a_call_that_waited_keeps_its_own_request() -> None:
    """An answer of one word waits for the next call: with its prompt, its model, its voice call."""
    call = VoiceCall("openai_realtime", "call_1")
    first = replace(chat(CATS, answer="Paris"), request_model="small", voice_call=call)
    second = replace(chat(CATS, "Paris", DOGS, answer=LONG), request_model="large")
    second = replace(second, input=second.input[1:])
    store = ConversationStore()
    assert assemble(store, at(10, 20, 1), first).messages == ()
    one, two = assemble(store, at(30, 40, 2), second).list_in_order()
    assert (one.system_prompt, one.model, one.voice_call) == ("Be brief.", "small", call)
    assert (two.system_prompt, two.model, two.voice_call) == (None, "large", None)
    assert [item.content for item in (*one.messages, *two.messages)] == [CATS, "Paris", DOGS, LONG]


def test_the_prompt_of_a_turn_is_that_of_the_hidden_call_that_answered() -> None:
    """A node of a graph calls a model that the framework does not know."""
    inside = replace(HERE, turn_id="turn", internal=True)
    router = Operation(
        "chat", inside, input=(Message("system", (Text("Classify."),)),), output=(assistant("cats"),)
    )
    prompt = PromptTemplate("pets", variables={"a": "b"})
    answering = replace(chat(CATS, answer=LONG, context=inside), request_model="large", prompt=prompt)
    turn = Operation(TURN, replace(HERE, turn_id="turn"), input=(user(CATS),), output=(assistant(LONG),))
    store = ConversationStore()
    for number, operation in enumerate((answering, router), 1):
        assert assemble(store, at(number, number + 1, 1), operation).messages == ()
    update = assemble(store, at(0, 20, 1), turn)
    assert (update.system_prompt, update.model, update.prompt) == ("Be brief.", "large", prompt)
