"""True conversations, and the model calls by which a chat client has them.

A `Chat` is what happened. `calls` tells it as the client does: every call sends the history again, slightly
changed, as frameworks do. `expected` tells it as Greenflash should: each message once, in order, linked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.model.operation import (
    ConversationContext,
    Message,
    Operation,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from tests.strategies import maybe, span_of

# Few words, so that the same is said again and again; no white space at an end, which identity ignores.
words = st.sampled_from(["yes", "no", "Hi", "Hi\nthere", "née 日本 😀"])
results = st.sampled_from(["yes", "18 °C", "Hi"])


@dataclass(frozen=True)
class Round:
    """A model call that asks for tools: thought, text, (call id, tool, argument, result) of each call."""

    thought: str | None
    text: str | None
    calls: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Turn:
    """From a user message to its answer."""

    note: str | None
    user: str
    rounds: tuple[Round, ...]
    thought: str | None
    answer: str


@dataclass(frozen=True)
class Chat:
    """A conversation as it really was."""

    prompt: str | None
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Expected:
    """A message that must arrive; ``parent`` is its parent's place in the list."""

    type: str
    content: str | None
    parent: int | None
    tool_name: str | None = None


@st.composite
def _rounds(draw: st.DrawFn) -> Round:
    # Ids are unique within an answer only: providers use the same ones again in the next round or turn.
    ids = draw(st.lists(st.sampled_from(["call_1", "call_2", "call_3"]), min_size=1, max_size=3, unique=True))
    tools = st.sampled_from(["get_weather", "search"])
    calls = tuple((id, draw(tools), draw(words), draw(results)) for id in ids)
    return Round(draw(maybe(words)), draw(maybe(words)), calls)


turns = st.builds(
    Turn,
    note=maybe(words),
    user=words,
    rounds=st.lists(_rounds(), max_size=2).map(tuple),
    thought=maybe(words),
    answer=words,
)


@st.composite
def chats(draw: st.DrawFn, *, most: int = 4, notes: bool = True) -> Chat:
    """Any conversation of a chat client.

    With ``notes``, the application may say something to the model before a later turn. Where the history
    is left out, nobody could tell that from a system prompt, which stands at the same place.
    """
    first, *later = draw(st.lists(turns, min_size=1, max_size=most))
    if not notes:
        later = [replace(turn, note=None) for turn in later]
    return Chat(draw(maybe(words)), (replace(first, note=None), *later))


def expected(chat: Chat) -> list[Expected]:
    """What must arrive of a chat, in order."""
    found: list[Expected] = []

    def add(type: str, content: str | None, parent: int | None, tool_name: str | None = None) -> int:
        found.append(Expected(type, content, parent, tool_name))
        return len(found) - 1

    answered: int | None = None
    for turn in chat.turns:
        if turn.note is not None:
            add("system_message", turn.note, answered)
        asked = add("user_message", turn.user, answered)
        for round in turn.rounds:
            if round.thought is not None:
                add("thought", None, asked)
            said = asked if round.text is None else add("assistant_message", round.text, asked)
            called = [add("tool_call", None, said, tool) for _, tool, _, _ in round.calls]
            for call, (_, tool, _, _) in zip(called, round.calls, strict=True):
                add("observation", None, call, tool)
        if turn.thought is not None:
            add("thought", None, asked)
        answered = add("final_response" if turn.rounds else "assistant_message", turn.answer, asked)
    return found


def as_expected(items: list[MessageItem]) -> list[Expected]:
    places = {item.id: place for place, item in enumerate(items)}
    return [
        Expected(
            item.type,
            item.content,
            None if item.parent_id is None else places[item.parent_id],
            item.tool_name,
        )
        for item in items
    ]


def calls(chat: Chat, *, resent: Sequence[int] = (0,), new_only: bool = False) -> list[Operation]:
    """The model calls of a chat.

    Args:
        chat: What happened.
        resent: How earlier answers look when they are sent again, one number per call; see `_again`.
        new_only: Leave out of each input what an earlier call has told.
    """
    prompt = (Message("system", (Text(chat.prompt),)),) if chat.prompt is not None else ()
    said: list[Message] = []
    told = 0
    made: list[Operation] = []

    def call(answer: Message) -> None:
        nonlocal told
        manner = resent[len(made) % len(resent)]
        history = () if new_only else [_again(message, manner) for message in said[:told]]
        made.append(Operation("chat", input=(*prompt, *history, *said[told:]), output=(answer,)))
        said.append(answer)
        told = len(said)

    for turn in chat.turns:
        if turn.note is not None:
            said.append(Message("developer", (Text(turn.note),)))
        said.append(Message("user", (Text(turn.user),)))
        for round in turn.rounds:
            call(_answer(round.thought, round.text, round.calls))
            said.extend(Message("tool", (ToolCallResponse(result, id),)) for id, _, _, result in round.calls)
        call(_answer(turn.thought, turn.answer, ()))
    return made


def _answer(thought: str | None, text: str | None, calls: Sequence[tuple[str, str, str, str]]) -> Message:
    parts: list[Part] = []
    if thought is not None:
        parts.append(Reasoning(thought))
    if text is not None:
        parts.append(Text(text))
    parts += [ToolCall(tool, {"q": argument}, id) for id, tool, argument, _ in calls]
    return Message("assistant", tuple(parts), finish_reason="tool_calls" if calls else "stop")


def _again(message: Message, manner: int) -> Message:
    """A message as it is resent: 0 as it was, 1 in several parts, 2 with white space and no thoughts."""
    if manner == 0:
        return message
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, Text) and manner == 1:
            parts.extend(Text(line) for line in part.content.split("\n"))
        elif isinstance(part, Text):
            parts.append(Text(part.content + " \n"))
        elif not isinstance(part, Reasoning):
            parts.append(part)
    if message.role == "assistant" and not any(isinstance(part, Text) for part in parts):
        parts.insert(0, Text(""))  # "" where the provider said null
    return Message(message.role, tuple(parts))


def named(operations: Sequence[Operation], id: str | None = "chat-1") -> list[Operation]:
    """The calls in a conversation whose id the application gave."""
    return [replace(operation, conversation_context=ConversationContext(id)) for operation in operations]


def told(
    operations: Sequence[Operation],
    store: ConversationStore | None = None,
    *,
    first: int = 1,
    trace: int | None = None,
) -> list[MessageItem]:
    """All messages that come of calls, one span each, each in a trace of its own unless one is named."""
    store = store or ConversationStore()
    items: list[MessageItem] = []
    for number, operation in enumerate(operations, first):
        span = span_of(number=number, trace=number if trace is None else trace, failure=operation.failure)
        items.extend(assemble(store, span, operation).messages)
    return [*items, *(item for update in assemble_overdue(store, None) for item in update.messages)]
