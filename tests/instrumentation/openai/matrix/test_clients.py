"""Each kind of client: its calls are recorded, whole and streamed, under the name of its provider."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.played_sync import CHAT
from tests.instrumentation.openai.replies import TEXT, chunks, completion
from tests.instrumentation.openai.server import Server, document, events
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")


def made(name: str, url: str) -> Any:
    """A client of that class."""
    prefix, kind = ("Async", name.removeprefix("Async")) if name.startswith("Async") else ("", name)
    if not hasattr(openai, name):
        pytest.skip(f"this SDK has no {name}")
    options: dict[str, Any] = {
        "AzureOpenAI": {"azure_endpoint": url, "api_version": "1", "api_key": "k"},
        "BedrockOpenAI": {"base_url": url, "api_key": "k"},
        "OpenAI": {"base_url": url, "api_key": "k"},
    }[kind]
    return getattr(openai, prefix + kind)(**options)


PROVIDERS = {"OpenAI": "openai", "AzureOpenAI": "azure.ai.openai", "BedrockOpenAI": "aws.bedrock"}
CELLS = [
    pytest.param(name, way, colour, marks=pytest.mark.covers("clients", f"`{name}`", way, colour))
    for name in PROVIDERS
    for way in ("whole", "streamed", "copy by `with_options`")
    for colour in ("sync", "async")
]


@pytest.mark.parametrize(("name", "way", "colour"), CELLS)
async def test_a_client(name: str, way: str, colour: str, spans: Spans) -> None:
    """One operation of the provider's, with the answer."""
    streams: dict[str, Any] = {"stream": True} if way == "streamed" else {}
    with Server(events(chunks()) if streams else document(completion())) as server:
        if colour == "sync":
            with made(name, server.url) as client:
                used = client.with_options(max_retries=0) if way.startswith("copy") else client
                answer = used.chat.completions.create(**CHAT, **streams)
                list(answer)
        else:
            async with made(f"Async{name}", server.url) as client:
                used = client.with_options(max_retries=0) if way.startswith("copy") else client
                answer = await used.chat.completions.create(**CHAT, **streams)
                if streams:
                    [chunk async for chunk in answer]
    operation = spans.only()
    assert (operation.provider, text_of(*operation.output)) == (PROVIDERS[name], TEXT)


@pytest.mark.covers("clients", "the module itself", "whole", "sync")
def test_the_module(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client that the module makes for itself."""
    with Server(document(completion())) as server, http.Client() as http_client:
        for name, value in {"api_key": "k", "base_url": server.url, "http_client": http_client}.items():
            monkeypatch.setattr(openai, name, value)
        monkeypatch.setattr(openai, "_client", None)
        assert openai.chat.completions.create(**CHAT).choices[0].message.content == TEXT
    assert text_of(*spans.only().output) == TEXT
