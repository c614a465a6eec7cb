"""A scripted provider over loopback HTTP: each provider's dialect, all with the answers of `talk`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.recordings.talk import (
    ANSWER,
    CITIES,
    FAILED,
    FINAL_CALLS,
    FINAL_TOOL,
    LOOKING,
    THANKS,
    THOUGHT,
    TOOL,
    WELCOME,
)

Json = dict[str, Any]
Turn = tuple[str, str, bool]
"""Thought, text, and whether both tools are requested."""


def turn_of(body: Json) -> Turn:
    """Which turn a request asks for. Only the newest message could hold what earlier requests do not."""
    asked = json.dumps(body)
    if THANKS in asked:
        return THOUGHT, WELCOME, False
    return ("", ANSWER, False) if FAILED in asked else ("", LOOKING, True)


def anthropic(turn: Turn, _body: Json) -> Json:
    """Anthropic's Messages."""
    thought, text, calls = turn
    thinking = [{"type": "thinking", "thinking": thought, "signature": "c2ln"}] if thought else []
    tools = [
        {"type": "tool_use", "id": id, "name": TOOL, "input": {"city": city}} for id, city in CITIES.items()
    ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": [*thinking, {"type": "text", "text": text}, *(tools if calls else [])],
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 3},
    }


def chat(turn: Turn, body: Json) -> Json:
    """OpenAI's Chat Completions, which Mistral and Groq speak, too. Where an agent must end with a tool, it does.

    Frameworks may put the name of a plugin before that of a tool.
    """
    _, text, calls = turn
    names = [tool["function"]["name"] for tool in body.get("tools") or ()]
    called = next((name for name in names if name.endswith(TOOL)), TOOL)
    wanted = [(id, called, {"city": city}) for id, city in CITIES.items()] if calls else []
    if not calls and FINAL_TOOL in names:
        wanted = [(FINAL_CALLS[text], FINAL_TOOL, {"answer": text})]
    made = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for id, name, given in wanted
    ]
    message = {"role": "assistant", "content": text, **({"tool_calls": made} if made else {})}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795000000,
        "model": "gpt-5",
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if made else "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    }


def gemini(turn: Turn, _body: Json) -> Json:
    """Google's generateContent; its calls have no ids."""
    thought, text, calls = turn
    thinking = [{"text": thought, "thought": True}] if thought else []
    tools = [{"functionCall": {"name": TOOL, "args": {"city": city}}} for city in CITIES.values()]
    parts = [*thinking, {"text": text}, *(tools if calls else [])]
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8},
        "modelVersion": "gemini-3-flash",
        "responseId": "response-1",
    }


def ollama(turn: Turn, _body: Json) -> Json:
    """Ollama's chat; its calls have no ids."""
    thought, text, calls = turn
    tools = [{"function": {"name": TOOL, "arguments": {"city": city}}} for city in CITIES.values()]
    thinking = {"thinking": thought} if thought else {}
    message = {"role": "assistant", "content": text, **thinking, **({"tool_calls": tools} if calls else {})}
    return {
        "model": "llama4",
        "created_at": "2026-01-01T00:00:00Z",
        "message": message,
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 5,
        "eval_count": 3,
    }


def converse(turn: Turn, _body: Json) -> Json:
    """Bedrock's Converse."""
    thought, text, calls = turn
    thinking = (
        [{"reasoningContent": {"reasoningText": {"text": thought, "signature": "s"}}}] if thought else []
    )
    tools = [
        {"toolUse": {"toolUseId": id, "name": TOOL, "input": {"city": city}}} for id, city in CITIES.items()
    ]
    content = [*thinking, {"text": text}, *(tools if calls else [])]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use" if calls else "end_turn",
        "usage": {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8},
        "metrics": {"latencyMs": 1},
    }


DIALECTS: Mapping[str, Callable[[Turn, Json], Json]] = {
    "/messages": anthropic,
    "/chat/completions": chat,
    ":generateContent": gemini,
    "/api/chat": ollama,
    "/converse": converse,
}
"""By how the path ends."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer the turn that is asked for."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        speak = next((dialect for end, dialect in DIALECTS.items() if path.endswith(end)), None)
        answer = json.dumps(speak(turn_of(body), body) if speak else {"unknown": path}).encode()
        self.send_response(200 if speak else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@contextmanager
def serving() -> Iterator[str]:
    """Yield the provider's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
