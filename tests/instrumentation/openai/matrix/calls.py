"""What applications call: each method that we record, with an answer and what is recorded of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.instrumentation.openai.replies import COMPLETED, TEXT, chunks, completion, response_events
from tests.instrumentation.openai.server import Reply, document, events
from tests.instrumentation.openai.test_small_surfaces import (
    COMPLETION,
    EMBEDDED,
    MODERATED,
    SOUND,
    SOUND_BASE64,
    TOKENS,
    piece,
)


@dataclass(frozen=True)
class Row:
    """A method of the SDK's."""

    arguments: Mapping[str, Any]
    whole: Reply
    operation: str
    """Name of the operation that is recorded."""
    text: str = ""
    """What the recorded answer says."""
    streamed: Reply | None = None
    """None for one that the SDK does not stream."""
    streamed_as: tuple[str, str] | None = None
    """Name and text of the operation that is recorded of a stream, where they are others."""
    helped: bool = False
    """Whether it has ``parse`` and ``stream`` beside ``create``."""

    def ways(self) -> list[str]:
        """In which ways it can be called."""
        ways = ["whole", "raw", "streaming response"]
        if self.streamed:
            ways += ["streamed", "raw, streamed", "streaming response, streamed"]
        return ways + (["parse", "stream helper"] if self.helped else [])


DONE: Any = COMPLETED["response"]
MESSAGE = {"type": "message", "id": "msg_1", "role": "user", "status": "completed", "content": []}
LISTED = {"object": "list", "data": [MESSAGE], "first_id": "msg_1", "last_id": "msg_1", "has_more": False}
DECIDED = {
    "object": "decision",
    "model": "m-1",
    "answers": [{"type": "predicate", "name": "polite", "probability": 0.9}],
    "usage": {**TOKENS, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}},
}
ASKED: Any = {"model": "m", "input": "Hi"}
PICTURES = {"created": 1, "data": [{"url": "https://a.example/cat.png"}]}
STORED = {"id": "conv_1", "object": "conversation", "created_at": 1, "metadata": {}}
SAID: Any = [{"type": "message", "role": "user", "content": "Hi"}]
DRAWN: Any = {"type": "image_generation.completed", "b64_json": SOUND_BASE64, "usage": TOKENS}
HEARD = {"type": "transcript.text.done", "text": "Hello", "usage": TOKENS}
SPOKEN = Reply((SOUND,), 200, {"content-type": "audio/mpeg"})
JUDGED = {"type": "predicate", "name": "polite", "question": "Is it polite?"}
PAINT: Any = {"model": "m", "prompt": "A cat"}
CHAT: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
AGENT: Any = {"session_id": "asess_1", "turn_id": "turn_1"}
AGENT_TURN: Any = [
    {
        **AGENT,
        "type": "agent.session.turn.item.done",
        "event_id": "e_1",
        "output_index": 0,
        "item": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello"}],
        },
    },
    {**AGENT, "type": "agent.session.turn.completed", "event_id": "e_2", "turn": {"id": "turn_1"}},
]
FILE: Any = {"model": "m", "file": ("a.wav", SOUND)}

ROWS: Mapping[str, Row] = {
    "chat.completions.create": Row(CHAT, document(completion()), "chat", TEXT, events(chunks()), helped=True),
    "responses.create": Row(
        ASKED, document(DONE), "chat", TEXT, events(response_events(COMPLETED), b""), helped=True
    ),
    "responses.retrieve": Row(
        {"response_id": "resp_1"},
        document(DONE),
        "fetch_response",
        TEXT,
        events(response_events(COMPLETED), b""),
    ),
    "responses.cancel": Row({"response_id": "resp_1"}, document(DONE), "fetch_response", TEXT),
    "responses.compact": Row(ASKED, document({**DONE, "object": "response.compaction"}), "compact_response"),
    "responses.delete": Row({"response_id": "resp_1"}, document({}), "delete_items"),
    "conversations.create": Row({"items": SAID}, document(STORED), "add_items"),
    "conversations.items.create": Row(
        {"conversation_id": "conv_1", "items": SAID}, document(LISTED), "add_items"
    ),
    "conversations.items.delete": Row(
        {"conversation_id": "conv_1", "item_id": "msg_1"}, document(STORED), "delete_items"
    ),
    "completions.create": Row(
        {"model": "m", "prompt": "Hello"},
        document(COMPLETION),
        "text_completion",
        " there",
        events([piece(" th"), piece("ere", "stop")]),
    ),
    "embeddings.create": Row({"model": "m", "input": "Hello"}, document(EMBEDDED), "embeddings"),
    "moderations.create": Row({"model": "m", "input": "Hello"}, document(MODERATED), "moderation"),
    "decisions.create": Row({**ASKED, "questions": [JUDGED]}, document(DECIDED), "decision"),
    "images.generate": Row(PAINT, document(PICTURES), "image_generation", streamed=events([DRAWN], b"")),
    "images.edit": Row(
        {**PAINT, "image": ("cat.png", SOUND, "image/png")},
        document(PICTURES),
        "image_generation",
        streamed=events([{**DRAWN, "type": "image_edit.completed"}], b""),
    ),
    "images.create_variation": Row(
        {"image": ("cat.png", SOUND, "image/png")}, document(PICTURES), "image_generation"
    ),
    "audio.transcriptions.create": Row(
        FILE, document({"text": "Hello", "usage": TOKENS}), "transcription", "Hello", events([HEARD], b"")
    ),
    "audio.translations.create": Row(FILE, document({"text": "Hello"}), "translation", "Hello"),
    "audio.speech.create": Row({"model": "m", "input": "Hi", "voice": "alloy"}, SPOKEN, "speech"),
    "beta.agents.sessions.create": Row(
        {"environment": {"type": "none"}, "agent": {"model": "m"}, "input": "Hi"},
        document({"id": "asess_1", "object": "agent.session", "agent": {"model": "m"}}),
        "add_items",
        streamed=events(AGENT_TURN, b""),
        streamed_as=("chat", "Hello"),
    ),
    "beta.agents.sessions.events.create": Row(
        {"session_id": "asess_1", "events": [{"type": "agent.session.input.message", "input": SAID}]},
        document({}, 202),
        "add_items",
    ),
}
"""By the method's path below a client."""
