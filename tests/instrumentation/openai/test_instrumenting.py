"""Putting the wrappers on and taking them off, in any order and beside those of others."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import openai
import pytest
import wrapt
from openai import _base_client

from greenflash_otel.instrumentation.openai import TARGETS, instrument, uninstrument
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.played_sync import CHAT, said
from tests.instrumentation.openai.replies import PIECES, chunks, completion
from tests.instrumentation.openai.server import Server, events
from tests.instrumentation.openai.spans import Spans

METHODS = [
    (getattr(importlib.import_module(target.module), method.owner), method.name)
    for target in TARGETS
    if find_spec(target.module)
    for method in target.methods
]


def methods() -> list[object]:
    return [owner.__dict__[name] for owner, name in METHODS]


def transport() -> Any:
    return http.MockTransport(lambda request: http.Response(200, json=completion()))


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", http_client=http.Client(transport=transport())) as made:
        yield made


def test_leaves_no_trace(client: openai.OpenAI) -> None:
    """On, off and on again: the SDK's own methods are back in between, and each call is recorded once."""
    spans, originals = Spans(), methods()
    for _ in range(2):
        instrument(spans.tracer)
        instrument(spans.tracer)
        client.chat.completions.create(**CHAT)
        uninstrument()
        assert all(now is original for now, original in zip(methods(), originals, strict=True))
        client.chat.completions.create(**CHAT)
        uninstrument()
    assert len(spans.all()) == 2


def test_a_second_call_changes_the_arguments(client: openai.OpenAI, spans: Spans) -> None:
    """The newest tracer counts, and may be found only when it is needed."""
    other = Spans()
    instrument(lambda: other.tracer)
    client.chat.completions.create(**CHAT)
    assert (len(spans.all()), len(other.all())) == (0, 1)


def ways_to_call() -> dict[str, Callable[[openai.OpenAI], Any]]:
    """Ways to the same request, by name."""
    return {
        "itself": lambda client: client.chat.completions.create(**CHAT),
        "with_options": lambda client: client.with_options(max_retries=0).chat.completions.create(**CHAT),
        "raw": lambda client: client.chat.completions.with_raw_response.create(**CHAT),
        "raw client": lambda client: client.with_raw_response.chat.completions.create(**CHAT),
        "post": lambda client: client.post("/chat/completions", cast_to=object, body=CHAT),
    }


@pytest.mark.parametrize("way", ways_to_call())
@pytest.mark.parametrize("made", ["before", "after"])
def test_every_way_through_a_client(way: str, made: str, client: openai.OpenAI) -> None:
    """Clients and what they keep of their methods are covered, whenever they were made."""
    call, recorded = ways_to_call()[way], Spans()
    if made == "before":
        call(client)  # now its lazy resources and raw wrappers are there
    instrument(recorded.tracer)
    call(client)
    uninstrument()
    call(client)
    assert len(recorded.all()) == 1


def test_the_module_and_azure(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module-level client and Azure's, whose address holds the deployment."""
    with http.Client(transport=transport()) as http_client:
        monkeypatch.setattr(openai, "api_key", "k")
        monkeypatch.setattr(openai, "http_client", http_client)
        openai.chat.completions.create(**CHAT)
        azure = openai.AzureOpenAI(
            api_key="k", api_version="1", azure_endpoint="https://a.example", http_client=http_client
        )
        azure.chat.completions.create(**CHAT)
    assert [operation.provider for operation in spans.operations()] == ["openai", "azure.ai.openai"]


def test_a_client_of_ones_own(spans: Spans) -> None:
    """A subclass that has its say in every request still gives one record."""

    class Mine(openai.OpenAI):
        asked = 0

        def request(self, *args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            return super().request(*args, **kwargs)

    with Mine(api_key="k", http_client=http.Client(transport=transport())) as client:
        client.chat.completions.create(**CHAT)
        assert client.asked == 1
    assert len(spans.all()) == 1


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("off_first", ["ours", "theirs"])
def test_beside_another_instrumentation(ours_first: bool, off_first: str, client: openai.OpenAI) -> None:
    """Whoever comes first and goes first, both see each call once while they are on."""
    spans, originals = Spans(), methods()
    theirs = _Theirs()
    steps: list[Callable[[], None]] = [lambda: instrument(spans.tracer), theirs.instrument]
    for step in steps if ours_first else reversed(steps):
        step()
    client.chat.completions.create(**CHAT)
    assert (len(spans.all()), theirs.seen) == (1, 1)
    (uninstrument if off_first == "ours" else theirs.uninstrument)()
    client.chat.completions.create(**CHAT)
    assert (len(spans.all()), theirs.seen) == ((1, 2) if off_first == "ours" else (2, 1))
    (theirs.uninstrument if off_first == "ours" else uninstrument)()
    instrument(spans.tracer)
    client.chat.completions.create(**CHAT)
    assert (len(spans.all()), theirs.seen) == ((2, 2) if off_first == "ours" else (3, 1))
    uninstrument()
    for (owner, name), original in zip(METHODS, originals, strict=True):
        setattr(owner, name, original)


def test_hidden_by_another_instrumentation(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a plain function hides our wrapper we wrap again, and still record once."""
    spans = Spans()
    instrument(spans.tracer)
    hidden: Any = _base_client.SyncAPIClient.request
    plain = lambda client, *args, **kwargs: hidden(client, *args, **kwargs)  # noqa: E731
    with monkeypatch.context() as theirs:
        theirs.setattr(_base_client.SyncAPIClient, "request", plain)
        uninstrument()
        instrument(spans.tracer)
        client.chat.completions.create(**CHAT)
    instrument(spans.tracer)
    uninstrument()
    assert len(spans.all()) == 1


def test_after_another_instrumentation_left(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some leave the inherited method in the subclass, where it hides our wrapper."""
    left = _base_client.SyncAPIClient.__dict__["request"]
    monkeypatch.setattr(openai.OpenAI, "request", left, raising=False)
    spans = Spans()
    instrument(spans.tracer)
    client.chat.completions.create(**CHAT)
    assert len(spans.all()) == 1
    uninstrument()
    assert openai.OpenAI.__dict__["request"] is left


class _Theirs:
    """Another instrumentation: where its wrapper lies below one of ours it stays, and goes quiet."""

    def __init__(self) -> None:
        self.seen = 0
        self._active = True

    def instrument(self) -> None:
        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            self.seen += self._active
            return wrapped(*args, **kwargs)

        found = _base_client.SyncAPIClient.__dict__["request"]
        self._wrapper: Any = wrapt.FunctionWrapper(found, wrapper)
        setattr(_base_client.SyncAPIClient, "request", self._wrapper)  # noqa: B010

    def uninstrument(self) -> None:
        self._active = False
        if _base_client.SyncAPIClient.__dict__["request"] is self._wrapper:
            setattr(_base_client.SyncAPIClient, "request", self._wrapper.__wrapped__)  # noqa: B010


def test_open_streams_are_recorded_and_go_on() -> None:
    """A stream that is open when we leave is recorded as far as it came, once, and goes on untouched."""
    spans = Spans()
    instrument(spans.tracer)
    with Server(events(chunks())) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        stream = client.chat.completions.create(**CHAT, stream=True)
        uninstrument()
        assert spans.only().ending == "abandoned"
        instrument(spans.tracer)
        assert [said(chunk) for chunk in stream][:2] == list(PIECES)
    uninstrument()
    assert len(spans.all()) == 1


@pytest.mark.parametrize("missing", ["AsyncAPIClient", "_process_response", "options"])
def test_an_sdk_that_lacks_what_we_need(
    missing: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning that says what is different, and nothing of that module is wrapped."""

    class Client:
        if missing != "options":

            def request(self, cast_to: Any, options: Any) -> None: ...
        else:

            def request(self, cast_to: Any, wishes: Any) -> None: ...  # type: ignore[misc]

        if missing != "_process_response":

            def _process_response(self, *, options: Any, response: Any) -> None: ...

    module = types.ModuleType("other._base_client")
    module.SyncAPIClient = Client  # type: ignore[attr-defined]
    if missing != "AsyncAPIClient":
        module.AsyncAPIClient = Client  # type: ignore[attr-defined]
    before = dict(Client.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    replace(TARGETS[0], module=module.__name__).install()
    assert dict(Client.__dict__) == before
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "AsyncAPIClient" in record.getMessage()


BEFORE_THE_SDK = """
import sys
from greenflash_otel.instrumentation.openai import instrument, uninstrument
from tests.instrumentation.openai.spans import Spans   # imports no openai

spans = Spans()
instrument(spans.tracer)
assert not [name for name in sys.modules if name.partition(".")[0] == "openai"]
import openai
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import completion

transport = http.MockTransport(lambda request: http.Response(200, json=completion()))
client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
client.chat.completions.create(model="m", messages=[])
assert len(spans.all()) == 1
uninstrument()
client.chat.completions.create(model="m", messages=[])
assert len(spans.all()) == 1
"""


def test_before_the_sdk_is_imported() -> None:
    """`instrument()` does not import the SDK; when the application does, it is instrumented."""
    subprocess.run([sys.executable, "-W", "error", "-c", BEFORE_THE_SDK], check=True, timeout=60)
