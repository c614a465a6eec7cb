"""Realtime sessions: speech, its transcripts, interruptions, tools."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from greenflash_otel.instrumentation.openai.call import OpenAIConfig
from greenflash_otel.instrumentation.openai.websocket.realtime import RealtimeSession
from greenflash_otel.model.operation import (
    ADD_ITEMS,
    Media,
    Message,
    Operation,
    Text,
    ToolCall,
    ToolCallResponse,
    Usage,
    Voice,
    VoiceCall,
)
from tests.instrumentation.openai.spans import Spans, text_of
from tests.instrumentation.openai.websocket.server import SDK_WARNING, Server

pytestmark = [pytest.mark.usefixtures("no_faults"), pytest.mark.filterwarnings(SDK_WARNING)]

Event = dict[str, Any]
BEGAN_MS = 1_700_000_000_000


def session(**more: Any) -> Event:
    return {
        "type": "session.created",
        "session": {"id": "sess_1", "model": "gpt-realtime", "instructions": "Be kind.", **more},
    }


TRANSCRIBED = session(audio={"input": {"transcription": {"model": "whisper"}}})


def item(id: str, role: str, *content: Event, **more: Any) -> Event:
    fields = {"id": id, "type": "message", "role": role, "content": list(content), **more}
    return {"type": "conversation.item.added", "item": fields}


def spoken(id: str) -> list[Event]:
    """A person speaks for two seconds."""
    return [
        {"type": "input_audio_buffer.speech_started", "item_id": id, "audio_start_ms": 500},
        {"type": "input_audio_buffer.speech_stopped", "item_id": id, "audio_end_ms": 2_500},
        {"type": "input_audio_buffer.committed", "item_id": id},
        item(id, "user", {"type": "input_audio", "transcript": None}),
    ]


def transcript(id: str, text: str) -> Event:
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": id,
        "content_index": 0,
        "transcript": text,
    }


def begun(id: str) -> Event:
    return {
        "type": "response.created",
        "response": {"id": id, "status": "in_progress", "conversation_id": "conv_1"},
    }


def sound(id: str, ms: int) -> Event:
    content = base64.b64encode(bytes(48 * ms)).decode()
    return {
        "type": "response.output_audio.delta",
        "response_id": id,
        "item_id": f"out_{id}",
        "delta": content,
    }


def words(id: str, text: str) -> list[Event]:
    """The model's message begins, with some of what it says."""
    added = {"id": f"out_{id}", "type": "message", "role": "assistant", "content": []}
    return [
        {"type": "response.output_item.added", "response_id": id, "output_index": 0, "item": added},
        item(f"out_{id}", "assistant"),
        {
            "type": "response.output_audio_transcript.delta",
            "response_id": id,
            "output_index": 0,
            "delta": text,
        },
    ]


def done(id: str, text: str = "", status: str = "completed", reason: str | None = None, **more: Any) -> Event:
    output = [
        {
            "id": f"out_{id}",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_audio", "transcript": text}],
        }
    ]
    details = {"status_details": {"type": status, "reason": reason}} if reason else {}
    return {
        "type": "response.done",
        "response": {"id": id, "status": status, "output": output, **details, **more},
    }


class Clock:
    """Time that the test tells."""

    def __init__(self) -> None:
        self.now_ms = BEGAN_MS

    def __call__(self) -> int:
        return self.now_ms * 10**6


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def played(spans: Spans, clock: Clock) -> Iterator[RealtimeSession]:
    """A session without a connection."""
    instrumentation = OpenAIConfig(lambda: spans.tracer)
    played = RealtimeSession(instrumentation, "openai", "gpt-realtime", clock_ns=clock)
    yield played
    played.handle_close(None)


def hear(session: RealtimeSession, *events: Event) -> None:
    for event in events:
        session.receive(event)


def test_a_spoken_turn(spans: Spans, played: RealtimeSession, clock: Clock) -> None:
    """What was said on both sides and when; the turn waits for the transcript that comes last."""
    hear(played, TRANSCRIBED)
    clock.now_ms += 1_000
    hear(played, *spoken("u1"))
    clock.now_ms += 2_300
    usage = {"input_tokens": 9, "output_tokens": 5, "input_token_details": {"cached_tokens": 4}}
    hear(played, begun("r1"), *words("r1", "Good "), sound("r1", 1_500), done("r1", "Good day", usage=usage))
    clock.now_ms += 10_000
    assert spans.all() == ()
    hear(played, transcript("u1", "Hello?"))
    operation = spans.only()
    began = BEGAN_MS + 1_000
    assert operation == Operation(
        "chat",
        provider="openai",
        request_model="gpt-realtime",
        response_model="gpt-realtime",
        response_id="r1",
        provider_conversation_id="sess_1",
        system_instructions=(Text("Be kind."),),
        input=(Message("user", (Text("Hello?"),), voice=Voice(began, began + 2_000)),),
        output=(
            Message(
                "assistant",
                (Text("Good day"),),
                finish_reason="completed",
                voice=Voice(began + 2_300, began + 3_800, response_latency_ms=300),
            ),
        ),
        output_item_ids=("out_r1",),
        usage=Usage(9, 5, 4),
        finish_reasons=("completed",),
        streamed=True,
        time_to_first_chunk_s=operation.time_to_first_chunk_s,
        voice_call=VoiceCall("openai_realtime", "sess_1", duration_ms=3_300, interruption_count=0),
    )


def test_an_answer_that_is_interrupted(spans: Spans, played: RealtimeSession, clock: Clock) -> None:
    """Of a truncated answer only what was heard is kept, and both sides say that it was cut short."""
    hear(played, TRANSCRIBED, *spoken("u1"), transcript("u1", "Tell me"))
    hear(played, begun("r1"), *words("r1", "one two "), sound("r1", 4_000), done("r1", "one two three four"))
    clock.now_ms += 2_000
    hear(
        played,
        *spoken("u2"),
        {"type": "conversation.item.truncated", "item_id": "out_r1", "audio_end_ms": 2_000},
    )
    assert text_of(*spans.only().output) == "one two"
    hear(played, begun("r2"), done("r2", "Yes?"), transcript("u2", "Stop!"))
    first, second = spans.operations()
    assert first.output[0].voice == Voice(BEGAN_MS, BEGAN_MS + 2_000, was_interrupted=True)
    assert second.input[0].voice == Voice(BEGAN_MS + 2_000, BEGAN_MS + 4_000, barge_in=True)
    assert (text_of(*second.input), text_of(*second.output)) == ("Stop!", "Yes?")
    assert second.voice_call and second.voice_call.interruption_count == 1


def test_an_answer_that_the_server_breaks_off(spans: Spans, played: RealtimeSession) -> None:
    """Its words so far are kept, though the response's last event has none of them."""
    hear(played, session(), begun("r1"), *words("r1", "I was "), sound("r1", 500))
    hear(
        played, *spoken("u1"), done("r1", "", "cancelled", "turn_detected"), begun("r2"), done("r2", "Sorry")
    )
    first, second = spans.operations()
    assert (first.ending, text_of(*first.output)) == ("cancelled", "I was ")
    assert first.output[0].voice and first.output[0].voice.was_interrupted
    assert second.input[0].parts == (Media("audio"),)


@pytest.mark.parametrize("late_by", [1, 2])
def test_turns_keep_their_order(spans: Spans, played: RealtimeSession, late_by: int) -> None:
    """A turn whose transcript is late holds back those after it."""
    hear(played, TRANSCRIBED)
    for turn in range(1, 4):
        hear(played, *spoken(f"u{turn}"), begun(f"r{turn}"), done(f"r{turn}", f"answer {turn}"))
        if turn > late_by:
            hear(played, transcript(f"u{turn - late_by}", f"asked {turn - late_by}"))
    played.handle_close(None)
    told = [(text_of(*operation.input), text_of(*operation.output)) for operation in spans.operations()]
    asked = [f"asked {turn}" if turn <= 3 - late_by else "" for turn in range(1, 4)]
    assert told == list(zip(asked, ["answer 1", "answer 2", "answer 3"], strict=True))


def test_a_transcript_that_never_comes(spans: Spans, played: RealtimeSession, clock: Clock) -> None:
    """A turn does not wait for ever."""
    hear(played, TRANSCRIBED, *spoken("u1"), begun("r1"), done("r1", "What?"))
    clock.now_ms += 31_000
    hear(played, {"type": "rate_limits.updated"})
    assert spans.only().input[0].parts == (Media("audio"),)


def test_tools(spans: Spans, played: RealtimeSession) -> None:
    """A call and its output are parts, of the turns in which they come."""
    call = {
        "id": "f1",
        "type": "function_call",
        "name": "look",
        "call_id": "call_1",
        "arguments": '{"at": 1}',
    }
    output = {"id": "o1", "type": "function_call_output", "call_id": "call_1", "output": "blue"}
    hear(played, session(), item("u1", "user", {"type": "input_text", "text": "Colour?"}), begun("r1"))
    hear(played, {"type": "response.output_item.added", "response_id": "r1", "output_index": 0, "item": call})
    hear(played, {"type": "conversation.item.added", "item": call})
    hear(played, {"type": "response.done", "response": {"id": "r1", "status": "completed", "output": [call]}})
    hear(played, {"type": "conversation.item.done", "item": call})
    hear(played, {"type": "conversation.item.added", "item": output}, begun("r2"), done("r2", "Blue."))
    asked, answered = spans.operations()
    assert asked.output[0].parts == (ToolCall("look", {"at": 1}, "call_1"),)
    assert answered.input == (Message("tool", (ToolCallResponse("blue", "call_1"),)),)


def test_what_is_never_answered(spans: Spans, played: RealtimeSession) -> None:
    """It was said all the same; the session ends while the answer to the words before runs."""
    hear(played, TRANSCRIBED, *spoken("u1"), transcript("u1", "One"), begun("r1"), *words("r1", "Half "))
    hear(played, *spoken("u2"), transcript("u2", "Two"))
    played.handle_close(None)
    half, left = spans.operations()
    assert (half.ending, text_of(*half.input), text_of(*half.output)) == ("abandoned", "One", "Half ")
    assert (left.name, left.ending, text_of(*left.input)) == (ADD_ITEMS, "completed", "Two")
    told = [item.content for items in spans.conversations().values() for item in items]
    assert told == ["One", "Half ", "Two"]


def test_a_response_apart_from_the_conversation(spans: Spans, played: RealtimeSession) -> None:
    """It takes nothing of what was said, and the user does not see it."""
    asked = {"conversation": "none", "input": [{"type": "message", "role": "user", "content": "Rate this"}]}
    hear(played, session(), item("u1", "user", {"type": "input_text", "text": "Hi"}))
    played.send({"type": "response.create", "response": asked})
    apart = {"id": "x", "status": "in_progress", "conversation_id": None}
    hear(
        played,
        {"type": "response.created", "response": apart},
        done("x", "good"),
        begun("r1"),
        done("r1", "Hello"),
    )
    hidden, shown = spans.operations()
    assert (hidden.conversation_context.internal, text_of(*hidden.input)) == (True, "Rate this")
    assert (shown.conversation_context.internal, text_of(*shown.input)) == (False, "Hi")


def test_what_is_kept_is_bounded(spans: Spans, played: RealtimeSession) -> None:
    """A session without responses, that only writes down what is said, tells it by and by."""
    hear(played, TRANSCRIBED)
    for turn in range(300):
        hear(played, *spoken(f"u{turn}"), transcript(f"u{turn}", f"{turn} "))
    assert len(spans.only().input) == 256
    played.handle_close(None)
    assert text_of(*spans.operations()[1].input).startswith("256 ")


SCRIPT: list[Any] = [
    TRANSCRIBED,
    "take",
    *spoken("u1"),
    begun("r1"),
    *words("r1", "Good "),
    done("r1", "Good day"),
    transcript("u1", "Hello?"),
]


def realtime_of(app: Any) -> Any:
    """Where sessions are: out of beta since openai 1.106."""
    return app.realtime if hasattr(app, "realtime") else app.beta.realtime


@pytest.mark.covers("sessions", "`realtime.connect()`", "sync", "sync")
def test_a_connection(spans: Spans) -> None:
    """A real client, read by iteration; the same events as without us, and one operation."""
    with (
        Server(SCRIPT) as server,
        openai.OpenAI(api_key="k", websocket_base_url=server.url.replace("http", "ws")) as app,
        realtime_of(app).connect(model="gpt-realtime") as connection,
    ):
        connection.input_audio_buffer.append(audio="AAAA")
        seen = [event.type for _, event in zip(SCRIPT[1:], connection, strict=False)]
    assert seen == [step["type"] for step in SCRIPT if step != "take"]
    assert (text_of(*spans.only().input), text_of(*spans.only().output)) == ("Hello?", "Good day")


@pytest.mark.covers("sessions", "`realtime.connect()`", "async", "async")
async def test_a_connection_async(spans: Spans) -> None:
    """The same in the other colour."""
    with Server(SCRIPT) as server:
        async with (
            openai.AsyncOpenAI(api_key="k", websocket_base_url=server.url.replace("http", "ws")) as app,
            realtime_of(app).connect(model="gpt-realtime") as connection,
        ):
            await connection.input_audio_buffer.append(audio="AAAA")
            seen = [(await connection.recv()).type for _ in SCRIPT[1:]]
    assert seen == [step["type"] for step in SCRIPT if step != "take"]
    assert (text_of(*spans.only().input), text_of(*spans.only().output)) == ("Hello?", "Good day")
