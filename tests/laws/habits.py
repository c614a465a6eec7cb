"""Habits of applications that change what they resend, and conversations under them with the truth known.

Every text that is said has a mark of its own, such as ``q3z``. What arrives is compared by these marks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import strategies as st

from greenflash_otel.model.operation import (
    ConversationContext,
    Media,
    Message,
    Operation,
    Part,
    Text,
    ToolCall,
    ToolCallResponse,
)

Parts: TypeAlias = tuple[Part, ...]
Form: TypeAlias = Callable[[str, int], Parts]
"""What is sent of a text in a call of this number."""

MARK = re.compile(r"[qacr]\d+z")
PICTURE = Media("image", uri="https://cdn.example/shot.png?sig=1", mime_type="image/png")


def plain(text: str, number: int) -> Parts:
    """A text as it is."""
    return (Text(text),)


def _with(change: Callable[[str, int], str]) -> Form:
    return lambda text, number: (Text(change(text, number)),)


QUESTIONS: Mapping[str, tuple[Form, Form]] = {
    "as it was": (plain, plain),
    "context taken out": (
        _with(lambda text, n: f"Context:\n- fact {n} of the shop\n- shoes are sold\n\nQuestion: {text}"),
        plain,
    ),
    "time taken out": (_with(lambda text, n: f"{text}\n\n[now 12:{n:02}, page /pricing]"), plain),
    "another time": (
        _with(lambda text, n: f"{text}\n\n[now 12:{n:02}]"),
        _with(lambda text, n: f"{text}\n\n[now 13:{n:02}]"),
    ),
    "context put in": (plain, _with(lambda text, n: f"{text}\n\nPage that was open: /pricing/{n}")),
    "picture dropped": (lambda text, n: (Text(text), PICTURE), plain),
    "picture replaced": (lambda text, n: (Text(text), PICTURE), _with(lambda text, n: f"{text} [image]")),
    "address renewed": (
        lambda text, n: (Text(text), Media("image", uri=f"https://cdn.example/x.png?sig={n}")),
        lambda text, n: (Text(text), Media("image", uri=f"https://cdn.example/x.png?sig=again{n}")),
    ),
    "address in the text": (
        _with(lambda text, n: f"{text} https://cdn.example/x.pdf?sig={n}"),
        _with(lambda text, n: f"{text} https://cdn.example/x.pdf?sig=again{n}"),
    ),
    "name hidden": (
        _with(lambda text, n: f"{text}, write to ada@example.org"),
        _with(lambda text, n: f"{text}, write to <EMAIL>"),
    ),
}
"""How a question is sent when it is asked, and how it comes back."""

ANSWERS: Mapping[str, tuple[Form, Form]] = {
    "as it was": (plain, plain),
    "thoughts taken out": (_with(lambda text, n: f"<think>\nLet me think.\n</think>\n\n{text}"), plain),
    "taken out of JSON": (
        _with(lambda text, n: f'{{"thoughts": "They ask about shoes, it seems.", "reply": "{text}"}}'),
        plain,
    ),
    "cut": (plain, _with(lambda text, n: f"{text[:24]}…")),
    "footer added": (plain, _with(lambda text, n: f"{text}\n\n_Sources: [1] [2]_")),
    "translated": (
        plain,
        _with(lambda text, n: " ".join("ö" + word[::-1] for word in MARK.sub("", text).split())),
    ),
    "left out": (plain, _with(lambda text, n: "[removed]")),
}
"""The same of an answer."""
UNLIKE = ("translated", "left out")
"""Forms of an answer that have nothing of its words."""

HEADS = ("none", "user", "assistant", "system", "developer", "user and assistant", "examples")
"""What an application puts before a window: a summary in a role, or something more."""


@dataclass(frozen=True)
class Habit:
    """What an application does to its history."""

    question: str = "as it was"
    answer: str = "as it was"
    calls: str = "as they were"
    """Or "rewritten ids", or "left out"."""
    exchanges: int | None = None
    """How many earlier exchanges are resent; None: all."""
    head: str = "none"
    name: str = "named"
    """Or "of a user", or "unnamed"."""


@dataclass
class Turn:
    """An exchange: what was asked and answered, and whether a tool was called, or the question edited."""

    tool: bool
    edits: bool


@dataclass
class _Exchange:
    question: str
    answer: str = ""
    tool: str | None = None


@dataclass
class Application:
    """Plays turns under a habit: the calls it makes, and what really happened."""

    habit: Habit
    name: str
    calls: list[Operation] = field(default_factory=list)
    happened: list[tuple[str, str | None]] = field(default_factory=list)
    """Each mark with that of its parent, in order."""
    _history: list[_Exchange] = field(default_factory=list)
    _marks: int = 0

    def play(self, turn: Turn) -> None:
        """Ask and answer once more; an edit is of the question before."""
        if turn.edits and len(self._history) > 1:
            self._history.pop()
        before = _mark_of(self._history[-1].answer) if self._history else None
        exchange = _Exchange(self._say("q", "what would the {} cost with {}"))
        self._happen(exchange.question, before)
        self._history.append(exchange)
        if turn.tool:
            exchange.tool = self._say("c", "look {} up for {}")
            self._happen(exchange.tool, _mark_of(exchange.question))
            self.happened.append((f"r{_mark_of(exchange.tool)[1:]}", _mark_of(exchange.tool)))
            call = Message("assistant", (ToolCall("look", {"x": exchange.tool}, f"call_{len(self.calls)}"),))
            self._call(call, after_tool=False)
        exchange.answer = self._say("a", "about {} dollars for {} and a week of waiting")
        self._happen(exchange.answer, _mark_of(exchange.question))
        form = ANSWERS[self.habit.answer][0]
        self._call(Message("assistant", form(exchange.answer, len(self.calls))), after_tool=turn.tool)

    def _say(self, kind: str, words: str) -> str:
        self._marks += 1
        return words.format(f"{kind}{self._marks}z", f"{self.name}{kind}{self._marks}")

    def _happen(self, text: str, parent: str | None) -> None:
        self.happened.append((_mark_of(text), parent))

    def _call(self, answer: Message, *, after_tool: bool) -> None:
        number, habit = len(self.calls), self.habit
        *earlier, now = self._history
        first = 0 if habit.exchanges is None else max(0, len(earlier) - habit.exchanges)
        sent = [Message("system", (Text("You sell shoes."),))]
        sent += self._write_head(number) if first else []
        for exchange in earlier[first:]:
            sent += self._write_exchange(exchange, number)
        sent.append(Message("user", QUESTIONS[habit.question][0](now.question, number)))
        if after_tool and now.tool:
            sent += self._write_tool(now.tool, f"call_{number - 1}")
        context = {
            "named": ConversationContext(self.name),
            "of a user": ConversationContext(user_id=f"user {self.name}"),
            "unnamed": ConversationContext(),
        }[habit.name]
        self.calls.append(Operation("chat", context, input=tuple(sent), output=(answer,)))

    def _write_exchange(self, exchange: _Exchange, number: int) -> list[Message]:
        habit = self.habit
        sent = [Message("user", QUESTIONS[habit.question][1](exchange.question, number))]
        if exchange.tool and habit.calls != "left out":
            id = next(
                part.id or ""
                for call in self.calls
                for message in call.output
                for part in message.parts
                if isinstance(part, ToolCall) and part.arguments == {"x": exchange.tool}
            )
            sent += self._write_tool(exchange.tool, id)
        sent.append(Message("assistant", ANSWERS[habit.answer][1](exchange.answer, number)))
        return sent

    def _write_tool(self, tool: str, id: str) -> list[Message]:
        id = f"x{len(self.calls)}{id}" if self.habit.calls == "rewritten ids" else id
        result = f"found r{_mark_of(tool)[1:]}"
        return [
            Message("assistant", (ToolCall("look", {"x": tool}, id),)),
            Message("tool", (ToolCallResponse(result, id),)),
        ]

    def _write_head(self, number: int) -> list[Message]:
        summary = f"So far, up to call {number}, they spoke of shoes and of their prices."
        match self.habit.head:
            case "none":
                return []
            case "user and assistant":
                return [_message("user", summary), _message("assistant", f"Understood, {number}.")]
            case "examples":
                return [
                    _message("user", f"an example of call {number}"),
                    _message("assistant", f"an answer of example {number}"),
                    _message("user", f"one more for {number}"),
                    _message("assistant", f"and its answer, of {number}"),
                ]
            case role:
                return [_message(role, summary)]


def _message(role: str, text: str) -> Message:
    return Message(role, (Text(text),))


def _mark_of(text: str) -> str:
    found = MARK.search(text)
    assert found is not None, text
    return found[0]


def is_knowable(habit: Habit) -> bool:
    """Whether anybody could know the conversation, and the place in it.

    An unnamed conversation of nobody is found by an exchange of which one text is as it was, and the other is
    alike. With neither a name nor a text as it was, a history may be anybody's.
    """
    if habit.name == "named":
        return True
    looks_the_same = habit.question in (
        "as it was",
        "picture dropped",
        "address renewed",
        "address in the text",
    )
    if habit.answer in UNLIKE:
        return looks_the_same and habit.name == "of a user"
    return looks_the_same or habit.answer in ("as it was", "thoughts taken out")


HABITS = st.builds(
    Habit,
    question=st.sampled_from(sorted(QUESTIONS)),
    answer=st.sampled_from(sorted(ANSWERS)),
    calls=st.sampled_from(["as they were", "rewritten ids", "left out"]),
    exchanges=st.sampled_from([None, None, 1, 2, 3]),
    head=st.sampled_from(HEADS),
    name=st.sampled_from(["named", "named", "of a user", "unnamed"]),
)
TURNS = st.lists(
    st.builds(Turn, tool=st.booleans(), edits=st.sampled_from([False, False, False, True])),
    min_size=2,
    max_size=6,
)
