"""Conversations as they really were, and the model calls by which an application had them.

A story is told turn by turn: the user asks, edits what they asked, or has the answer written again. Every
message says something that no other one says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from hypothesis import strategies as st

from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    ConversationContext,
    Message,
    Operation,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
)

Said: TypeAlias = tuple[str, str]
"""The type of a message, and what it says."""
Path: TypeAlias = tuple[Said, ...]
"""A message with all its parents, the first one first."""


@dataclass(frozen=True)
class Turn:
    """Something the user does, and how it is answered."""

    act: Literal["ask", "edit", "regenerate"] = "ask"
    tools: tuple[int, ...] = ()
    """How many tools are called at once, round by round."""
    speaks: bool = False
    """Whether the model says something when it calls tools."""
    thinks: bool = False


@dataclass
class _Exchange:
    """A turn of the branch that is followed now."""

    asked: Path
    said: list[Message]
    answered: Path = ()


@dataclass
class Story:
    """What happened, and the calls that tell of it."""

    name: str
    happened: list[Path] = field(default_factory=list)
    calls: list[Operation] = field(default_factory=list)
    _branch: list[_Exchange] = field(default_factory=list)
    _texts: int = 0

    def play(self, turn: Turn) -> None:
        """One more turn.

        The first is a question and stays as it is: another beginning looks like the next question of an
        application that resends nothing, or like that of another user.
        """
        if turn.act == "regenerate" and len(self._branch) > 1:
            del self._branch[-1].said[-1]
            self._answer(turn)
            return
        if turn.act == "edit" and len(self._branch) > 1:
            self._branch.pop()
        self._ask(turn)

    def _ask(self, turn: Turn) -> None:
        before = self._branch[-1].answered if self._branch else ()
        text = self._new("asks")
        self._branch.append(_Exchange(self._happen(before, "user_message", text), [_message("user", text)]))
        for count in turn.tools:
            self._use_tools(turn, count)
        self._answer(turn)

    def _use_tools(self, turn: Turn, count: int) -> None:
        exchange = self._branch[-1]
        parts: list[Part] = []
        asker = exchange.asked
        if turn.speaks:
            text = self._new("looks")
            parts.append(Text(text))
            asker = self._happen(asker, "assistant_message", text)
        names = [self._new("call") for _ in range(count)]
        parts += [ToolCall("search", {"q": name}, name) for name in names]
        self._call(Message("assistant", tuple(parts)))
        for name in names:
            call = self._happen(asker, "tool_call", name)
            self._happen(call, "observation", f"found {name}")
            ran = ToolExecution("search", name, {"q": name}, f"found {name}")
            self.calls.append(Operation(EXECUTE_TOOL, ConversationContext(self.name), tool=ran))
            exchange.said.append(Message("tool", (ToolCallResponse(f"found {name}", name),)))

    def _answer(self, turn: Turn) -> None:
        exchange = self._branch[-1]
        text, thought = self._new("answers"), self._new("thinks")
        agentic = any(message.role == "tool" for message in exchange.said)
        if turn.thinks:
            self._happen(exchange.asked, "thought", thought)
        exchange.answered = self._happen(
            exchange.asked, "final_response" if agentic else "assistant_message", text
        )
        parts = (Reasoning(thought), Text(text)) if turn.thinks else (Text(text),)
        self._call(Message("assistant", parts))

    def _call(self, answer: Message) -> None:
        history = [message for exchange in self._branch for message in exchange.said]
        sent = (Message("system", (Text("You sell shoes."),)), *history)
        self.calls.append(Operation("chat", ConversationContext(self.name), input=sent, output=(answer,)))
        resent = tuple(part for part in answer.parts if not isinstance(part, Reasoning))
        self._branch[-1].said.append(replace(answer, parts=resent))

    def _happen(self, parent: Path, type: str, says: str) -> Path:
        self.happened.append((*parent, (type, says)))
        return self.happened[-1]

    def _new(self, what: str) -> str:
        """Words that nobody has said: two texts have hardly any in common."""
        self._texts += 1
        return f"{self.name}-{what}-{self._texts}"


def _message(role: str, text: str) -> Message:
    return Message(role, (Text(text),))


def story(name: str, turns: Sequence[Turn]) -> Story:
    """A conversation of these turns."""
    made = Story(name)
    for turn in turns:
        made.play(turn)
    return made


# What applications do with the history: (prompt, the messages after it) as they are sent.

Resend = Callable[[list[Message]], list[Message]]


def _starts(messages: Sequence[Message]) -> list[int]:
    return [at for at, message in enumerate(messages) if message.role == "user"]


def _last(count: int) -> Resend:
    return lambda messages: messages[(_starts(messages)[-count:])[0] :]


def _polished(messages: list[Message]) -> list[Message]:
    return [_tidied(message) if message.role == "assistant" else message for message in messages]


def _tidied(answer: Message) -> Message:
    parts = (Text(f"**{part.content}** \n") if isinstance(part, Text) else part for part in answer.parts)
    return replace(answer, parts=tuple(parts))


def _without_tools(messages: list[Message]) -> list[Message]:
    newest = _starts(messages)[-1]
    plain = [message for message in messages[:newest] if message.role == "user" or _speaks_only(message)]
    return plain + messages[newest:]


def _speaks_only(message: Message) -> bool:
    return message.role == "assistant" and all(isinstance(part, Text) for part in message.parts)


SUMMARY = "In short, "
"""How summaries begin, which nobody said."""


def _summarised(messages: list[Message]) -> list[Message]:
    rest = _last(2)(messages)
    if len(rest) == len(messages):
        return rest
    turns = len(_starts(messages))
    return [_message("user", f"{SUMMARY}after {turns} turns they spoke of shoes."), *rest]


RESENDS: Mapping[str, Resend] = {
    "everything": lambda messages: messages,
    "three exchanges": _last(3),
    "two exchanges": _last(2),
    "polished answers": _polished,
    "no old tools": _without_tools,
    "a summary and two exchanges": _summarised,
}
KNOWN_BY_NAME = "polished answers"
"""Who does not name the conversation is known by the very words of its history."""
NOTHING = _last(1)
"""Only the turn itself: who edits or regenerates like that asks anew, for all that can be seen."""


def unpolished(text: str) -> str:
    """What was said before an application polished it, as `_polished` does."""
    return text.strip().strip("*")


def resent(made: Story, resend: Resend) -> list[Operation]:
    """The calls of a story, with what each sends of the history."""
    return [
        replace(call, input=(call.input[0], *resend(list(call.input[1:])))) if call.tool is None else call
        for call in made.calls
    ]


def chained(made: Story) -> list[Operation]:
    """The calls of an application that names the response before, and sends what came since."""
    calls = [call for call in made.calls if call.tool is None]
    chain: list[Operation] = []
    for number, call in enumerate(calls):
        answered = max(
            (at + 1 for at, message in enumerate(call.input) if message.role == "assistant"), default=0
        )
        sent = call.input[answered:]
        before = f"{made.name}-{number - 1}" if number else None
        chain.append(
            replace(call, input=sent, response_id=f"{made.name}-{number}", previous_response_id=before)
        )
    return chain


def unnamed(calls: Sequence[Operation]) -> list[Operation]:
    """The calls of an application that does not say which conversation it is."""
    return [replace(call, conversation_context=ConversationContext()) for call in calls]


TURNS = st.builds(
    Turn,
    act=st.sampled_from(["ask", "ask", "ask", "edit", "regenerate"]),
    tools=st.lists(st.integers(1, 2), max_size=2).map(tuple),
    speaks=st.booleans(),
    thinks=st.booleans(),
)
TALKS = st.lists(TURNS, min_size=1, max_size=6)
"""With branches."""
STRAIGHT = st.lists(st.builds(replace, TURNS, act=st.just("ask")), min_size=1, max_size=6)
