"""The ways from an application to conversations: a real client, our spans, the converter."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import openai
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from greenflash_otel.context import conversation
from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.exporter import record_of
from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation import openai as openai_sdk
from greenflash_otel.langchain import GreenflashCallbackHandler
from greenflash_otel.semconv import registry
from greenflash_otel.settings import History
from tests.fidelity.talks import Call, Entry, Script
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import completion, message_item, response
from tests.instrumentation.openai.spans import Spans

Ask = Callable[[openai.OpenAI, Call, str | None], str]
"""Makes a call, given the id of the response before; gives that of its own."""


def ask_chat(client: openai.OpenAI, call: Call, before: str | None) -> str:
    """By Chat Completions."""
    options: dict[str, Any] = {"response_format": {"type": "json_object"}} if call.json else {}
    messages: Any = call.messages
    answer: Any = client.chat.completions.create(model="m", messages=messages, n=len(call.answers), **options)
    return str(answer.id)


def ask_responses(client: openai.OpenAI, call: Call, before: str | None) -> str:
    """By Responses."""
    options: dict[str, Any] = {"text": {"format": {"type": "json_object"}}} if call.json else {}
    if call.continues:
        options["previous_response_id"] = before
    system = [entry["content"] for entry in call.messages if entry["role"] == "system"]
    given: Any = [item for entry in call.messages if entry["role"] != "system" for item in _items(entry)]
    answer: Any = client.responses.create(
        model="m", input=given, instructions=system[0] if system else None, **options
    )
    return str(answer.id)


def ask_langchain(client: openai.OpenAI, call: Call, before: str | None) -> str:
    """By LangChain's model of Chat Completions, which sends through the client's connections."""
    messages: Any = call.messages
    return str(_model_of(client, call).invoke(messages).id)


def ask_handled(client: openai.OpenAI, call: Call, before: str | None) -> str:
    """By LangChain's model, which the application passes our handler."""
    messages: Any = call.messages
    config: Any = {"callbacks": [GreenflashCallbackHandler()]}
    return str(_model_of(client, call).invoke(messages, config).id)


def _model_of(client: openai.OpenAI, call: Call) -> Any:
    connections: Any = client._client
    key = SecretStr("k")
    model: Any = ChatOpenAI(model="m", api_key=key, max_retries=0, http_client=connections)
    return model.bind(response_format={"type": "json_object"}) if call.json else model


class OnlyHandlers:
    """LangChain where nothing is instrumented: what the application passes a handler is recorded."""

    instrument = staticmethod(langchain.prepare)
    uninstrument = staticmethod(langchain.uninstrument)


def _items(entry: Entry) -> Iterator[Entry]:
    """A message as items of the Responses API."""
    if entry["role"] == "tool":
        yield {"type": "function_call_output", "call_id": entry["tool_call_id"], "output": entry["content"]}
        return
    if entry["content"]:
        yield {"role": entry["role"], "content": _content(entry["content"])}
    for made in entry.get("tool_calls", ()):
        yield {"type": "function_call", "call_id": made["id"], **made["function"]}


def _content(content: Any) -> Any:
    """Texts and pictures, as the Responses API takes them."""
    if isinstance(content, str):
        return content
    return [
        {"type": "input_text", "text": part["text"]}
        if part["type"] == "text"
        else {"type": "input_image", "image_url": part["image_url"]["url"], "detail": "auto"}
        for part in content
    ]


def _answer(call: Call, number: int, path: str) -> Any:
    """What the provider answers."""
    if path.endswith("/responses"):
        (answer,) = call.answers
        output = [
            message_item(item["content"], id=f"msg_{number}") if "role" in item else item
            for item in _items(answer)
        ]
        return {**response(output=output), "id": f"resp_{number}"}
    choices = [
        {**completion(None)["choices"][0], "index": index, "message": answer}
        for index, answer in enumerate(call.answers)
    ]
    return {**completion(), "id": f"chatcmpl-{number}", "choices": choices}


class Greenflash:
    """Converts spans in the processes in which they come, and keeps each message once, as Greenflash does.

    Args:
        folder: The outbox of the processes, each of which begins when the one before is killed; None for
            processes that all run, or have no disk.
        forgets: Whether a process that begins finds nothing of the one before.
    """

    def __init__(self, folder: Path | None, forgets: bool) -> None:
        self.conversations: dict[str, dict[str, MessageItem]] = {}
        self._folder = None if forgets else folder
        self._outbox: Outbox | None = None
        self._memories: dict[int, ConversationStore] = {}

    def take(self, process: int, spans: Spans) -> None:
        """Convert what came of a call."""
        if process not in self._memories:
            self._begin(process)
        memory = self._memories[process]
        for span in spans.all():
            record = record_of(span)
            operation = registry.read(record)
            assert operation
            for update in assemble(memory, record, operation).list_in_order():
                self._keep(update)
        if self._outbox is not None:
            self._outbox.put((), memory.list_pending_records())
            memory.mark_persisted()
        spans.clear()

    def settle(self) -> None:
        """The processes end."""
        for memory in self._memories.values():
            for update in assemble_overdue(memory, None):
                self._keep(update)
        self._leave()

    def _begin(self, process: int) -> None:
        self._leave()
        if self._folder is not None:
            self._memories.clear()  # killed: what it knew is on disk, or nowhere
            self._outbox = Outbox(self._folder)
        memory = self._memories[process] = ConversationStore(reader=self._outbox)
        memory.restore_deferred(0)

    def _leave(self) -> None:
        if self._outbox is not None:
            self._outbox.close()

    def _keep(self, update: ConversationUpdate) -> None:
        kept = self.conversations.setdefault(update.conversation_id, {})
        for item in update.messages:
            kept.setdefault(item.id, item)


@dataclass(frozen=True)
class Way:
    """How applications call models, and who watches."""

    ask: Ask
    history: History = "full"
    watched_by: tuple[Any, ...] = (openai_sdk,)
    """Instrumentations, each with ``instrument`` and ``uninstrument``."""

    def begin(self, spans: Spans) -> None:
        """Watch a process that knows nothing yet."""
        self.end()
        for each in self.watched_by:
            each.instrument(spans.tracer, history=self.history)

    def end(self) -> None:
        """Watch no more."""
        for each in self.watched_by:
            each.uninstrument()


def run(scripts: Mapping[str, Script], way: Way) -> Mapping[str, Sequence[MessageItem]]:
    """What arrives of conversations that take place at the same time, call by call in turn."""
    one = next(iter(scripts.values()))
    with tempfile.TemporaryDirectory() as folder:
        greenflash = Greenflash(Path(folder) if one.killed else None, one.forgets)
        talk(scripts, way, greenflash, Spans())
    return {id: list(items.values()) for id, items in greenflash.conversations.items() if items}


class Processes(Protocol):
    """Converts what came of each call, in the process that made it."""

    def take(self, process: int, spans: Spans) -> None:
        """Convert the spans, and clear them."""

    def settle(self) -> None:
        """The processes end."""


def talk(scripts: Mapping[str, Script], way: Way, greenflash: Processes, spans: Spans) -> None:
    """Play conversations at the same time, call by call in turn."""
    count, current = 0, dict[str, Call]()

    def answer(request: Any) -> Any:
        return http.Response(200, json=_answer(current["call"], count, request.url.path))

    process = -1
    before: dict[str, str] = {}
    with openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(answer))) as client:
        try:
            for at in range(max(len(script.calls) for script in scripts.values())):
                for name, script in scripts.items():
                    if at >= len(script.calls):
                        continue
                    current["call"], count = script.calls[at], count + 1
                    if current["call"].process != process:
                        process = current["call"].process
                        way.begin(spans)
                    with ExitStack() as scope:
                        if script.named:
                            scope.enter_context(conversation(name, user_id="ada"))
                        before[name] = way.ask(client, script.calls[at], before.get(name))
                    greenflash.take(process, spans)
        finally:
            way.end()
    greenflash.settle()


HANDLER_ALONE = "LangChain, the handler alone"
"""Records what the whole instrumentation of LangChain does."""

PATHS: Mapping[str, Way] = {
    "Chat Completions": Way(ask_chat),
    "Chat Completions, only what is new": Way(ask_chat, "new"),
    "Responses": Way(ask_responses),
    "LangChain": Way(ask_langchain, "new", (langchain,)),
    "LangChain over OpenAI, both watched": Way(ask_langchain, "new", (langchain, openai_sdk)),
    HANDLER_ALONE: Way(ask_handled, "new", (OnlyHandlers,)),
}
"""By name."""


def can(path: str, scripts: Sequence[Script]) -> bool:
    """Whether applications can be played on a path."""
    calls = [call for script in scripts for call in script.calls]
    if PATHS[path].ask is not ask_responses and any(call.continues for call in calls):
        return False
    return PATHS[path].ask is ask_chat or not any(len(call.answers) > 1 for call in calls)


def dumped(arrived: Mapping[str, Sequence[MessageItem]]) -> str:
    """For a person who wants to know what is wrong."""
    lines = []
    for id, items in arrived.items():
        names = {item.id: number for number, item in enumerate(items)}
        lines.append(id)
        for item in items:
            says = item.content or json.dumps([item.input, item.output])[:90]
            lines.append(f"  {names[item.id]} ^{names.get(item.parent_id or '', '-')} {item.type} {says}")
    return "\n".join(lines)
