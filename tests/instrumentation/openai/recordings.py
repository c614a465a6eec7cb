"""Recorded traffic of real services, replayed through the real client without a network."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

from tests.instrumentation.openai.http import http

OURS = Path(__file__).parents[2] / "data" / "openai"
MORE = "GREENFLASH_OTEL_CORPUS"
"""Environment variable that may name a folder with more recordings."""

PIECE_BYTES = 57
"""Streamed bodies arrive in pieces of this size, so that events and characters are cut."""

SURFACES: Mapping[str, Callable[[Any], Any]] = {
    "/chat/completions": lambda client: client.chat.completions.create,
    "/responses": lambda client: client.responses.create,
    "/embeddings": lambda client: client.embeddings.create,
    "/completions": lambda client: client.completions.create,
}
"""The method that makes a request, by the end of its path; the first that fits."""


def paths() -> list[Path]:
    """The recordings in the repository, and those in the folder that the environment names."""
    folders = [OURS, *([Path(os.environ[MORE])] if MORE in os.environ else [])]
    found = [path for folder in folders for path in sorted(folder.rglob("*.json"))]
    return [path for path in found if path.name != "manifest.json"]


@dataclass(frozen=True)
class Call:
    """One recorded request and its response."""

    request: Mapping[str, Any]
    response: Mapping[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = self.request["body"]
        return body

    @property
    def path(self) -> str:
        return str(self.request["path"]).partition("?")[0]

    @property
    def surface(self) -> str:
        return next(surface for surface in SURFACES if self.path.endswith(surface))

    @property
    def streams(self) -> bool:
        return self.body.get("stream") is True

    @property
    def answered(self) -> bool:
        """Whether the provider answered with something else than nothing, an error, or a web page."""
        body = self.response["body"]
        said = "data:" in body if isinstance(body, str) else not body.get("error")
        return bool(said and self.response["status"] < 400)

    @property
    def base_url(self) -> str:
        return f"https://{self.request['host']}{self.path.removesuffix(self.surface)}"


def calls_in(path: Path) -> list[Call]:
    """The calls of a recording that one of the methods in `SURFACES` can make."""
    return calls_of(json.loads(path.read_text()))


def calls_of(recording: Mapping[str, Any]) -> list[Call]:
    """The same of a recording that was read."""
    calls = [Call(entry["request"], entry["response"]) for entry in recording["interactions"]]
    return [
        call
        for call in calls
        if call.request["method"] == "POST"
        and isinstance(call.request["body"], dict)
        and call.path.endswith(tuple(SURFACES))
    ]


@dataclass
class Seen:
    """What the server and the application saw of one call."""

    request: tuple[str, str, list[tuple[str, str]], bytes] | None = None
    result: Any = None
    error: str | None = None

    @property
    def results(self) -> list[Any]:
        """The JSON of the result, or of each chunk of a stream."""
        results: list[Any] = self.result[1]
        return results

    def same_as(self, other: Seen) -> bool:
        mine, theirs = (self.request, self.result, self.error), (other.request, other.result, other.error)
        return mine == theirs


def _pieces(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), PIECE_BYTES):
        yield content[at : at + PIECE_BYTES]


async def _pieces_async(content: bytes) -> AsyncIterator[bytes]:
    for piece in _pieces(content):
        yield piece


def _transport(call: Call, seen: Seen, pieces: Callable[[bytes], Any]) -> Any:
    def answer(request: Any) -> Any:
        seen.request = (
            request.method,
            str(request.url),
            list(request.headers.multi_items()),
            request.content,
        )
        body = call.response["body"]
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = {
            name: value
            for name, value in call.response["headers"].items()
            if name.lower() != "content-length"
        }
        return http.Response(
            call.response["status"], headers=headers, content=pieces(content) if call.streams else content
        )

    return http.MockTransport(answer)


def _arguments(method: Callable[..., Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The recorded body as arguments; what the method does not know goes into ``extra_body``."""
    known = inspect.signature(method).parameters.keys()
    arguments = {name: value for name, value in body.items() if name in known}
    rest = {name: value for name, value in body.items() if name not in known}
    return {**arguments, **({"extra_body": rest} if rest else {})}


def _plain(result: Any) -> Any:
    return result.to_dict(warnings=False) if hasattr(result, "to_dict") else result


def replay(call: Call) -> Seen:
    """Make the call with a sync client."""
    seen = Seen()
    with openai.OpenAI(
        api_key="k",
        base_url=call.base_url,
        max_retries=0,
        http_client=http.Client(transport=_transport(call, seen, _pieces)),
    ) as client:
        method = SURFACES[call.surface](client)
        try:
            result = method(**_arguments(method, call.body))
            seen.result = (
                type(result).__name__,
                [_plain(entry) for entry in (result if call.streams else [result])],
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same with and without us
            seen.error = f"{type(error).__name__}: {error}"
    return seen


async def replay_async(call: Call) -> Seen:
    """Make the call with an async client."""
    seen = Seen()
    async with openai.AsyncOpenAI(
        api_key="k",
        base_url=call.base_url,
        max_retries=0,
        http_client=http.AsyncClient(transport=_transport(call, seen, _pieces_async)),
    ) as client:
        method = SURFACES[call.surface](client)
        try:
            result = await method(**_arguments(method, call.body))
            entries = [chunk async for chunk in result] if call.streams else [result]
            seen.result = (type(result).__name__, [_plain(entry) for entry in entries])
        except Exception as error:  # noqa: BLE001
            seen.error = f"{type(error).__name__}: {error}"
    return seen
