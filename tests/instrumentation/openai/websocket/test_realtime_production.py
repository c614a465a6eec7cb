"""Realtime sessions as applications run them: phone calls, quick replies, refusals, broken lines, silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from greenflash_otel.context import conversation
from greenflash_otel.instrumentation.openai.call import OpenAIConfig
from greenflash_otel.instrumentation.openai.websocket.realtime import RealtimeSession
from greenflash_otel.model.operation import ADD_ITEMS, Message, ServerToolCallResponse, Text, Voice
from tests.instrumentation.openai.spans import Spans, text_of
from tests.instrumentation.openai.websocket.test_realtime import (
    BEGAN_MS,
    TRANSCRIBED,
    Clock,
    begun,
    done,
    hear,
    item,
    session,
    sound,
    spoken,
    transcript,
    words,
)

pytestmark = pytest.mark.usefixtures("no_faults")

Event = dict[str, Any]
BUSY: Event = {"type": "error", "error": {"code": "conversation_already_has_active_response"}}
FRENCH: Event = {
    "type": "response.create",
    "response": {"instructions": "Speak French.", "input": [{"role": "user", "content": "Never answered"}]},
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def played(spans: Spans, clock: Clock) -> Iterator[RealtimeSession]:
    """A session of a phone call that the application joined, without a connection."""
    instrumentation = OpenAIConfig(lambda: spans.tracer)
    played = RealtimeSession(instrumentation, "openai", joined_id="rtc_1", clock_ns=clock)
    yield played
    played.handle_close(None)


def player(kind: str, id: str) -> Event:
    return {"type": f"output_audio_buffer.{kind}", "response_id": id}


def lines(spans: Spans) -> list[tuple[str, str]]:
    return [(message.type.split("_")[0], message.content) for message in spans.told() if message.content]


@pytest.mark.parametrize(("silence_ms", "interrupted"), [(-500, True), (400, False), (0, False)])
def test_a_reply_in_good_time(
    silence_ms: int, interrupted: bool, spans: Spans, played: RealtimeSession, clock: Clock
) -> None:
    """A person who answers soon interrupts nobody; one who speaks while sound is left to play does."""
    hear(played, session(), begun("r1"), *words("r1", "Shall I?"), sound("r1", 1_000), done("r1", "Shall I?"))
    clock.now_ms += 1_000 + silence_ms
    hear(played, *spoken("u1"), begun("r2"), done("r2", "Booked."))
    first, second = spans.operations()
    assert first.output[0].voice and first.output[0].voice.was_interrupted is interrupted
    assert second.input[0].voice == Voice(
        BEGAN_MS + 1_000 + silence_ms,
        BEGAN_MS + 3_000 + silence_ms,
        response_latency_ms=None if interrupted else silence_ms,
        barge_in=interrupted,
    )
    assert second.voice_call and second.voice_call.interruption_count == int(interrupted)


def test_sound_that_goes_past_the_connection(spans: Spans, played: RealtimeSession, clock: Clock) -> None:
    """Of a phone call the server says when it plays; the pace of a whole answer shows what was heard of a cut one."""
    hear(
        played, session(), begun("r1"), *words("r1", "x" * 20), player("started", "r1"), done("r1", "x" * 20)
    )
    clock.now_ms += 2_000
    hear(played, player("stopped", "r1"), begun("r2"), *words("r2", ""), player("started", "r2"))
    hear(played, done("r2", "one two three four five"))
    clock.now_ms += 800
    hear(played, *spoken("u1"), player("cleared", "r2"))
    hear(played, {"type": "conversation.item.truncated", "item_id": "out_r2", "audio_end_ms": 800})
    hear(played, begun("r3"), done("r3", "Yes?"))
    first, cut, last = spans.operations()
    assert first.output[0].voice == Voice(BEGAN_MS, BEGAN_MS + 2_000)
    assert (text_of(*cut.output), cut.output[0].voice) == (
        "one two",
        Voice(BEGAN_MS + 2_000, BEGAN_MS + 2_800, was_interrupted=True),
    )
    assert last.input[0].voice and last.input[0].voice.barge_in
    assert last.voice_call and (last.voice_call.platform_call_id, last.voice_call.interruption_count) == (
        "rtc_1",
        1,
    )


@pytest.mark.parametrize(
    ("text", "heard"), [("今日はとても良い天", "今日はと"), ("Unbelievable news", "Unbelievable")]
)
def test_what_was_heard_of_a_cut_answer(
    text: str, heard: str, spans: Spans, played: RealtimeSession, clock: Clock
) -> None:
    """Some languages have no spaces, and some answers are cut in their first word: neither is lost."""
    hear(played, session(), begun("r1"), *words("r1", text), sound("r1", 1_000), done("r1", text))
    hear(played, {"type": "conversation.item.truncated", "item_id": "out_r1", "audio_end_ms": 500})
    assert text_of(*spans.only().output) == heard


@pytest.mark.parametrize("sent_before", [True, False])
def test_a_request_that_is_refused(sent_before: bool, spans: Spans, played: RealtimeSession) -> None:
    """It is forgotten, also if the server had begun a response of its own before it read the request."""
    hear(played, TRANSCRIBED, *spoken("u1"), transcript("u1", "Hi"))
    if sent_before:
        played.send(FRENCH)
    hear(played, begun("r1"))
    if not sent_before:
        played.send(FRENCH)
    hear(
        played,
        BUSY,
        done("r1", "Hello"),
        *spoken("u2"),
        transcript("u2", "And?"),
        begun("r2"),
        done("r2", "Yes"),
    )
    assert lines(spans) == [("user", "Hi"), ("assistant", "Hello"), ("user", "And?"), ("assistant", "Yes")]
    assert {operation.system_instructions for operation in spans.operations()} == {(Text("Be kind."),)}


@pytest.mark.parametrize(
    ("error", "forgotten"),
    [
        ({"code": "invalid_value", "param": "response.output_modalities"}, True),
        ({"code": "input_audio_buffer_commit_empty"}, False),
        ({"code": "conversation_already_has_active_response", "event_id": "event_of_another"}, False),
    ],
)
def test_errors_about_requests_and_others(
    error: Event, forgotten: bool, spans: Spans, played: RealtimeSession
) -> None:
    """Only an error about a request for a response makes it forgotten."""
    hear(played, session())
    played.send(FRENCH)
    hear(played, {"type": "error", "error": error}, begun("r1"), done("r1", "Salut"))
    expected = "Be kind." if forgotten else "Speak French."
    assert spans.only().system_instructions == (Text(expected),)


@pytest.mark.parametrize("when", ["soon", "late"])
def test_what_an_mcp_server_answers_after_the_response(
    when: str, spans: Spans, played: RealtimeSession, clock: Clock
) -> None:
    """The turn waits for it; what comes later still is a result of the next turn."""
    call = {"id": "m1", "type": "mcp_call", "name": "look", "arguments": "{}", "server_label": "docs"}
    hear(played, session(), begun("r1"))
    hear(played, {"type": "response.output_item.added", "response_id": "r1", "output_index": 0, "item": call})
    hear(played, {"type": "response.done", "response": {"id": "r1", "status": "completed", "output": [call]}})
    assert spans.all() == ()
    if when == "late":
        clock.now_ms += 31_000
        hear(played, {"type": "rate_limits.updated"})
    hear(played, {"type": "conversation.item.done", "item": {**call, "output": "found"}})
    hear(played, begun("r2"), done("r2", "Here"))
    first, second = spans.operations()
    result = ServerToolCallResponse({"output": "found"}, "m1")
    assert (result in first.output[0].parts) is (when == "soon")
    assert (Message("tool", (result,)) in second.input) is (when == "late")
    assert [item.type for item in spans.told()] == ["tool_call", "observation", "final_response"]


def test_silence_is_no_message(spans: Spans, played: RealtimeSession) -> None:
    """Neither what the server commits because nobody speaks, nor a noise without words."""
    hear(played, TRANSCRIBED, {"type": "input_audio_buffer.timeout_triggered", "item_id": "u1"})
    hear(played, *spoken("u1")[2:], begun("r1"), done("r1", "Still there?"), transcript("u1", ""))
    hear(played, *spoken("u2"), transcript("u2", " \n"), begun("r2"), done("r2", "Hello?"))
    assert [operation.input for operation in spans.operations()] == [(), ()]
    assert lines(spans) == [("assistant", "Still there?"), ("assistant", "Hello?")]


def test_keys(spans: Spans, played: RealtimeSession) -> None:
    """What a person presses on a phone is said, also if nobody answers."""
    keys = [{"type": "input_audio_buffer.dtmf_event_received", "event": key} for key in "12#5"]
    hear(played, session(), *keys[:3], begun("r1"), done("r1", "Thanks"), keys[3])
    played.handle_close(None)
    assert lines(spans) == [("user", "12#"), ("assistant", "Thanks"), ("user", "5")]


def test_a_line_that_the_application_adds(spans: Spans, played: RealtimeSession) -> None:
    """It is a system message in its place; the prompt stays that of the session."""
    line = item("s1", "system", {"type": "input_text", "text": "A VIP."})
    hear(played, session(), line, begun("r1"), done("r1", "Hello"))
    assert lines(spans) == [("system", "A VIP."), ("assistant", "Hello")]
    assert [update.system_prompt for update in spans.updates()] == ["Be kind."]


def test_a_person_who_goes_on(spans: Spans, played: RealtimeSession) -> None:
    """An answer that is cancelled before it says anything is no step."""
    hear(played, TRANSCRIBED, *spoken("u1"), transcript("u1", "I want"), begun("r1"), spoken("u2")[0])
    hear(played, done("r1", "", "cancelled", "turn_detected"), *spoken("u2")[1:], transcript("u2", "a pizza"))
    hear(played, begun("r2"), done("r2", "Sure"))
    assert [operation.name for operation in spans.operations()] == [ADD_ITEMS, "chat"]
    assert [item.type for item in spans.told()] == ["user_message", "user_message", "assistant_message"]


def restored(text: str, role: str = "user") -> Event:
    kind = "input_text" if role == "user" else "output_text"
    return item(f"old {text}", role, {"type": kind, "text": text})


@pytest.mark.parametrize("name", ["talk", None])
def test_a_session_that_begins_again(name: str | None, spans: Spans) -> None:
    """A new session on a new line has an id of its own; the history that it is handed is known."""
    scope = conversation(name) if name else conversation(user_id="u")
    with scope:
        played = RealtimeSession(OpenAIConfig(lambda: spans.tracer), "openai", "gpt-realtime")
        hear(played, TRANSCRIBED, *spoken("u1"), transcript("u1", "One"), begun("r1"), done("r1", "First"))
        played.send(FRENCH)
        played.handle_error(ConnectionError())
        hear(played, session(id="sess_2"), restored("One"), restored("First", "assistant"), restored("Two"))
        hear(played, begun("r2"), done("r2", "Second"))
        played.handle_close(None)
    (found,) = spans.conversations().values()
    assert [message.content for message in found] == ["One", "First", "Two", "Second"]
    latest = spans.operations()[-1]
    assert latest.voice_call and latest.voice_call.platform_call_id == "sess_2"
    assert latest.system_instructions == (Text("Be kind."),)


def test_what_an_mcp_server_can_do(spans: Spans, played: RealtimeSession) -> None:
    """The server lists it when a session begins: that is no message."""
    listed = {"id": "l1", "type": "mcp_list_tools", "server_label": "docs", "tools": [{"name": "look"}]}
    hear(played, session(), {"type": "conversation.item.added", "item": listed})
    hear(played, {"type": "conversation.item.done", "item": listed}, begun("r1"), done("r1", "Hello"))
    assert [item.type for item in spans.told()] == ["assistant_message"]
