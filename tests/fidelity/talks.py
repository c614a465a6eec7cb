"""What applications are made of: scripts, and what makes a script of another one.

A script has the calls that an application makes with what the provider answers, and what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from tests.fidelity.truth import Happened

Entry: TypeAlias = dict[str, Any]
"""A message as Chat Completions takes it."""


@dataclass(frozen=True)
class Call:
    """One call of a model."""

    messages: Sequence[Entry]
    answers: Sequence[Entry]
    """One; more where the application asks for alternatives."""
    process: int = 0
    """In which of the application's processes. A new number is a process that has just started."""
    continues: bool = False
    """Whether it names the response before instead of sending it (Responses only)."""
    json: bool = False


@dataclass(frozen=True)
class Script:
    """What an application does in one conversation, and what happened in it."""

    calls: Sequence[Call]
    happened: Sequence[Happened]
    named: bool = True
    """Whether the application says which conversation it is."""
    killed: bool = False
    """Whether a new process means that the one before was killed."""
    forgets: bool = False
    """Whether what a killed process had on disk is gone too."""


@dataclass
class Talk:
    """Builds a script turn by turn, for an application that resends all of it."""

    name: str
    prompt: str | None = "You are a helpful assistant of a shop for shoes."
    said: list[Entry] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    visible: str | None = None
    """What was said or seen last."""

    def system(self) -> list[Entry]:
        return [{"role": "system", "content": self.prompt}] if self.prompt else []

    def ask(self, number: int) -> str:
        """The user says something."""
        text = f"Question {number} of {self.name}, please."
        self.said.append({"role": "user", "content": text})
        self.happened.append(Happened(text, "user_message", self.visible))
        self.visible = text
        return text

    def answer(self, number: int, asked: str, type: str = "assistant_message") -> str:
        """The model says something to it."""
        text = f"Answer {number} to {self.name}: it comes on day {number}."
        self.call({"role": "assistant", "content": text})
        self.happened.append(Happened(text, type, asked))
        self.visible = text
        return text

    def use_tools(self, number: int, asked: str, *names: str) -> None:
        """The model asks for tools, and gets their results."""
        made = [(f"call_{self.name}_{number}_{name}", name) for name in names]
        functions = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": f'{{"look": "{id}."}}'}}
            for id, name in made
        ]
        self.call({"role": "assistant", "content": None, "tool_calls": functions})
        for id, _ in made:
            self.happened.append(Happened(f"{id}.", "tool_call", asked))
        for id, _ in made:
            self.said.append({"role": "tool", "tool_call_id": id, "content": f"result of {id}!"})
            self.happened.append(Happened(f"result of {id}!", "observation", f"{id}."))

    def call(self, answer: Entry) -> None:
        """Ask the model with all that was said."""
        self.calls.append(Call([*self.system(), *self.said], [answer]))
        self.said.append(answer)

    def script(self) -> Script:
        return Script(self.calls, self.happened)


def whole(name: str) -> Script:
    """Six turns, two of them with two tools at once, all of it resent each time."""
    talk = Talk(name)
    for number in range(1, 7):
        asked = talk.ask(number)
        if number in (2, 5):
            talk.use_tools(number, asked, "stock", "price")
        talk.answer(number, asked, "final_response" if number in (2, 5) else "assistant_message")
    return talk.script()


def resent(change: Callable[[int, list[Entry]], list[Entry]]) -> Callable[[str], Script]:
    """The same, with what each call sends changed by ``change(number of the call, messages)``."""

    def application(name: str) -> Script:
        script = whole(name)
        calls = [
            replace(call, messages=change(number, list(call.messages)))
            for number, call in enumerate(script.calls)
        ]
        return replace(script, calls=calls)

    return application


def last_exchanges(messages: list[Entry], count: int) -> list[Entry]:
    starts = [at for at, entry in enumerate(messages) if entry["role"] == "user"]
    return messages[starts[-count] :] if len(starts) > count else messages


def processes(*numbers: int, application: Callable[[str], Script] = whole) -> Callable[[str], Script]:
    """An application of which each call is made in the process of that number."""

    def spread(name: str) -> Script:
        script = application(name)
        calls = [replace(call, process=numbers[at % len(numbers)]) for at, call in enumerate(script.calls)]
        return replace(script, calls=calls)

    return spread


def restarted(application: Callable[[str], Script], forgets: bool = False) -> Callable[[str], Script]:
    """An application whose process is killed, and starts anew for the second half of the calls."""

    def halves(name: str) -> Script:
        script = application(name)
        middle = len(script.calls) // 2
        calls = [replace(call, process=int(at >= middle)) for at, call in enumerate(script.calls)]
        return replace(script, calls=calls, killed=True, forgets=forgets)

    return halves


def killed_often(application: Callable[[str], Script]) -> Callable[[str], Script]:
    """An application whose process is killed after each call."""

    def pieces(name: str) -> Script:
        script = application(name)
        calls = [replace(call, process=at) for at, call in enumerate(script.calls)]
        return replace(script, calls=calls, killed=True)

    return pieces


def unnamed(application: Callable[[str], Script]) -> Callable[[str], Script]:
    """An application that does not say which conversation it is."""
    return lambda name: replace(application(name), named=False)
