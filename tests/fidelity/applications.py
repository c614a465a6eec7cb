"""Applications that talk with a model, each with its own way to hand the history back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.fidelity.changed_histories import CHANGED_HISTORIES
from tests.fidelity.talks import (
    Call,
    Entry,
    Script,
    Talk,
    killed_often,
    last_exchanges,
    processes,
    resent,
    restarted,
    unnamed,
    whole,
)
from tests.fidelity.truth import Happened


def _now(number: int, messages: list[Entry]) -> list[Entry]:
    return [{"role": "system", "content": f"{messages[0]['content']} It is {number} o'clock."}, *messages[1:]]


def _window(number: int, messages: list[Entry]) -> list[Entry]:
    return [messages[0], *last_exchanges(messages[1:], 2)]


def summarised(name: str) -> Script:
    """A window of two exchanges, with a summary of what was before in front of it: nobody said that."""
    script = whole(name)
    calls: list[Call] = []
    for call in script.calls:
        prompt, *messages = call.messages
        rest = last_exchanges(messages, 2)
        turn = sum(entry["role"] == "user" for entry in messages)
        summary = f"In short, {turn} turns of {name}: they spoke about shoes."
        if len(rest) < len(messages):
            call = replace(call, messages=[prompt, {"role": "user", "content": summary}, *rest])
        calls.append(call)
    return replace(script, calls=calls)


def _polished(number: int, messages: list[Entry]) -> list[Entry]:
    return [
        {**entry, "content": f"**{entry['content']}** "}
        if entry["role"] == "assistant" and entry["content"]
        else entry
        for entry in messages
    ]


def _without_tools(number: int, messages: list[Entry]) -> list[Entry]:
    newest = max(at for at, entry in enumerate(messages) if entry["role"] == "user")
    return [
        entry
        for at, entry in enumerate(messages)
        if at > newest or (entry["role"] != "tool" and not entry.get("tool_calls"))
    ]


def _no_history(number: int, messages: list[Entry]) -> list[Entry]:
    newest = max(at for at, entry in enumerate(messages) if entry["role"] == "user")
    return [messages[0], *messages[newest:]]


def _with_metadata(number: int, messages: list[Entry]) -> list[Entry]:
    return [
        {"content": entry["content"], **entry, "name": "ada"} if entry["role"] == "user" else entry
        for entry in messages
    ]


def edited(name: str) -> Script:
    """The user changes the second question and goes on from there."""
    talk = Talk(name)
    first = talk.answer(1, talk.ask(1))
    talk.answer(2, talk.ask(2))
    del talk.said[2:]
    talk.visible = first
    talk.answer(3, talk.ask(3))
    talk.answer(4, talk.ask(4))
    return talk.script()


def regenerated(name: str) -> Script:
    """The user asks for another answer to the second question and goes on with that."""
    talk = Talk(name)
    talk.answer(1, talk.ask(1))
    asked = talk.ask(2)
    talk.answer(2, asked)
    del talk.said[-1]
    talk.answer(3, asked)
    talk.answer(4, talk.ask(4))
    return talk.script()


def alternatives(name: str) -> Script:
    """The application asks for two answers and goes on with the first."""
    talk = Talk(name)
    asked = talk.ask(1)
    talk.answer(1, asked)
    other = f"Another answer to {name}."
    talk.calls[0] = replace(
        talk.calls[0], answers=[*talk.calls[0].answers, {"role": "assistant", "content": other}]
    )
    talk.happened.append(Happened(other, "assistant_message", asked))
    talk.answer(2, talk.ask(2))
    return talk.script()


def chained(name: str) -> Script:
    """An application that names the response before and sends only what is new."""
    script = whole(name)
    calls: list[Call] = []
    sent = 0
    for call in script.calls:
        talk = [entry for entry in call.messages if entry["role"] != "system"]
        calls.append(replace(call, messages=[call.messages[0], *talk[sent:]], continues=bool(calls)))
        sent = len(talk) + 1
    return replace(script, calls=calls)


def _beside(prompt: str, given: str, told: str, json: bool) -> Call:
    said = f'{{"is": "{told}"}}' if json else told
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": given}]
    return Call(messages, [{"role": "assistant", "content": said}], json=json)


def is_auxiliary(prompt: str, quotes: bool, json: bool, answer: str, before: bool) -> Callable[[str], Script]:
    """An application that asks another model before or after each answer, without marking that."""

    def application(name: str) -> Script:
        talk = Talk(name)
        for number in range(1, 4):
            asked = talk.ask(number)
            told = f"{answer}-{name}-{number}"
            if before:
                talk.calls.append(_beside(prompt, asked, told, json))
            answered = talk.answer(number, asked)
            if not before:
                given = f"User: {asked}\nAssistant: {answered}" if quotes else asked
                talk.calls.append(_beside(prompt, given, told, json))
            talk.happened.append(Happened(told, "llm", asked))
        talk.happened.sort(
            key=lambda entry: entry.type == "llm"
        )  # steps have no place of their own in the talk
        return talk.script()

    return application


APPLICATIONS: Mapping[str, Callable[[str], Script]] = {
    "resends everything": whole,
    "resends it with another system prompt each time": resent(_now),
    "resends it with changed metadata": resent(_with_metadata),
    "resends a window of two exchanges": resent(_window),
    "resends a summary and a window": summarised,
    "resends polished answers": resent(_polished),
    "resends it without old tool calls": resent(_without_tools),
    "resends nothing": resent(_no_history),
    "lets the user edit a message": edited,
    "regenerates an answer": regenerated,
    "asks for two alternatives": alternatives,
    "runs in three processes by turns": processes(0, 1, 2),
    "restarts in the middle": restarted(whole),
    "restarts, and resends a window": restarted(resent(_window)),
    "restarts, loses its disk, and resends a window": restarted(resent(_window), forgets=True),
    "restarts before each call, and resends a summary and a window": killed_often(summarised),
    "restarts between a guard and its answer": killed_often(
        is_auxiliary("Say ok or not of a visitor's text.", False, False, "ok", True)
    ),
    "restarts between an answer and its title": killed_often(
        is_auxiliary("Write a title.", True, False, "Title about shoes", False)
    ),
    "names no conversation": unnamed(whole),
    "names no conversation, and restarts": restarted(unnamed(whole)),
    "names no conversation, resends a window": unnamed(resent(_window)),
    "names the response before": chained,
    "names the response before, and no conversation": unnamed(chained),
    "names the response before, no conversation, and restarts": restarted(unnamed(chained)),
    "has a guard before each answer": is_auxiliary(
        "Say ok or not of a visitor's text.", False, False, "ok", True
    ),
    "has a router before each answer": is_auxiliary("Which team? Reply in JSON.", False, True, "to", True),
    "writes a title after each answer": is_auxiliary(
        "Write a title.", True, False, "Title about shoes", False
    ),
    "extracts data after each answer": is_auxiliary("Find numbers. JSON.", False, True, "data", False),
    **CHANGED_HISTORIES,
}
"""By what they do."""
