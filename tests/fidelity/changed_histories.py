"""Applications whose history comes back changed: each sends something and keeps another form of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.fidelity.talks import (
    Call,
    Entry,
    Script,
    Talk,
    killed_often,
    last_exchanges,
    resent,
    unnamed,
    whole,
)
from tests.fidelity.truth import Happened

Form = Callable[[str, int], Any]
"""Gives the content that a call has of a text, given the number of the call."""

PICTURE = "data:image/png;base64,iVBORw0KGgo="
WORDINGS = (
    "So far {turn} turns of {name} were about shoes.",
    "Earlier the customer {name} wanted to know when things come; {turn} in all.",
    "[{turn} older messages of {name} are left out: sizes, colours, days]",
)


def asks(sent: Form, kept: Form) -> Callable[[str], Script]:
    """An application that sends the newest question in one form and older ones in another."""

    def change(number: int, messages: list[Entry]) -> list[Entry]:
        newest = max(at for at, entry in enumerate(messages) if entry["role"] == "user")
        return [
            {**entry, "content": (sent if at == newest else kept)(entry["content"], number)}
            if entry["role"] == "user"
            else entry
            for at, entry in enumerate(messages)
        ]

    return resent(change)


def as_it_was(text: str, number: int) -> str:
    """Return the text itself."""
    return text


def _with_context(text: str, number: int) -> str:
    return f"Use these facts:\n- shoes of size {number} are sold out\n\nQuestion: {text}"


def _with_time(text: str, number: int) -> str:
    return f"{text}\n\n[sent at {number + 9}:30, page /cart/{number}]"


def _with_picture(text: str, number: int) -> list[Entry]:
    return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": PICTURE}}]


def _with_placeholder(text: str, number: int) -> str:
    return f"{text} [image]"


def _with_signed_address(text: str, number: int) -> list[Entry]:
    address = (
        f"https://files.example.com/{text[:10].replace(' ', '-')}.png?expires={number}&sig={number * 7919}"
    )
    return [
        {"type": "text", "text": f"{text} See {address}"},
        {"type": "image_url", "image_url": {"url": address}},
    ]


def _with_mail(text: str, number: int) -> str:
    return f"{text} My mail is ada@example.org, my phone 555-0101."


def _with_masks(text: str, number: int) -> str:
    return f"{text} My mail is <EMAIL>, my phone <PHONE>."


def answers(
    gave: Callable[[str], str], kept: Callable[[str], str], json: bool = False
) -> Callable[[str], Script]:
    """An application whose model gives an answer in one form, and which keeps another."""

    def application(name: str) -> Script:
        script = whole(name)
        calls = [
            replace(
                call,
                messages=[_reworded(entry, kept) for entry in call.messages],
                answers=[_reworded(entry, gave) for entry in call.answers],
                json=json,
            )
            for call in script.calls
        ]
        return replace(script, calls=calls)

    return application


def _reworded(entry: Entry, form: Callable[[str], str]) -> Entry:
    if entry["role"] != "assistant" or not entry["content"]:
        return entry
    return {**entry, "content": form(entry["content"])}


def _itself(text: str) -> str:
    return text


def _thought_on(text: str) -> str:
    return f"A thought on {text.lower()}"


def thinks(name: str) -> Script:
    """The model thinks in front of each answer; the application takes that out before it keeps the answer."""
    script = answers(lambda text: f"<think>\n{_thought_on(text)}\n</think>\n\n{text}", _itself)(name)
    happened: list[Happened] = []
    for fact in script.happened:
        if fact.type in ("assistant_message", "final_response"):
            happened.append(Happened(_thought_on(fact.says), "thought", fact.parent))
        happened.append(fact)
    return replace(script, happened=happened)


def _in_json(text: str) -> str:
    thoughts = "The customer asks for a day, so I look at the list of the shop first."
    return f'{{"thoughts": "{thoughts}", "reply": "{text}", "mood": "fine"}}'


def _translated(text: str) -> str:
    return " ".join(word[::-1] for word in text.split())


def _cut(text: str) -> str:
    return f"{text[:20]}…"


def _with_footer(text: str) -> str:
    return f"{text}\n\n_Sources: [1] list of the shop, [2] days of the post_"


def _new_call_ids(number: int, messages: list[Entry]) -> list[Entry]:
    changed: list[Entry] = []
    for entry in messages:
        if entry["role"] == "tool":
            entry = {**entry, "tool_call_id": f"{entry['tool_call_id'][-9:]}{number}"}
        elif entry.get("tool_calls"):
            calls = [{**made, "id": f"{made['id'][-9:]}{number}"} for made in entry["tool_calls"]]
            entry = {**entry, "tool_calls": calls}
        changed.append(entry)
    return changed


def summarised_by(role: str) -> Callable[[str], Script]:
    """A window with a summary of the turns before it, in a role and in other words each time."""

    def application(name: str) -> Script:
        script = whole(name)
        calls: list[Call] = []
        for call in script.calls:
            prompt, *messages = call.messages
            rest = last_exchanges(messages, 2)
            if len(rest) < len(messages):
                turn = sum(entry["role"] == "user" for entry in messages)
                summary = WORDINGS[turn % len(WORDINGS)].format(turn=turn, name=name)
                call = replace(call, messages=[prompt, {"role": role, "content": summary}, *rest])
            calls.append(call)
        return replace(script, calls=calls)

    return application


def doubled(name: str) -> Script:
    """A state that keeps everything, to which each turn adds the whole history once more."""
    script = whole(name)
    state: list[Entry] = []
    calls: list[Call] = []
    known = 0
    for call in script.calls:
        prompt, *messages = call.messages
        state += messages if messages[-1]["role"] == "user" else messages[known:]
        calls.append(replace(call, messages=[prompt, *state]))
        state += call.answers
        known = len(messages) + 1
    return replace(script, calls=calls)


def greeted(name: str) -> Script:
    """The application greets the user before any model is asked."""
    greeting = f"Hello, I am the shop's assistant for {name}."
    talk = Talk(name, said=[{"role": "assistant", "content": greeting}], visible=greeting)
    talk.happened.append(Happened(greeting, "assistant_message"))
    for number in range(1, 4):
        talk.answer(number, talk.ask(number))
    return talk.script()


def captured_late(name: str) -> Script:
    """The first call that anybody captures brings three turns that took place before."""
    script = whole(name)
    return replace(script, calls=script.calls[4:])


CHANGED_HISTORIES: Mapping[str, Callable[[str], Script]] = {
    "puts context into the newest question": asks(_with_context, as_it_was),
    "appends the time and the page to each question": asks(_with_time, _with_time),
    "drops pictures": asks(_with_picture, as_it_was),
    "replaces pictures by a word": asks(_with_picture, _with_placeholder),
    "signs addresses again": asks(_with_signed_address, _with_signed_address),
    "hides names in old questions": asks(_with_mail, _with_masks),
    "takes `<think>` out of answers": thinks,
    "translates answers": answers(_itself, _translated),
    "cuts answers": answers(_itself, _cut),
    "adds a footer to answers": answers(_itself, _with_footer),
    "takes answers out of JSON": answers(_in_json, _itself, json=True),
    "writes ids of tool calls anew": resent(_new_call_ids),
    "resends a summary in changing words and a window": summarised_by("user"),
    "resends a summary by the assistant and a window": summarised_by("assistant"),
    "resends a summary by the developer and a window": summarised_by("developer"),
    "adds the history to itself": doubled,
    "greets first": greeted,
    "is captured from the fourth turn on": captured_late,
    "restarts before each call, and puts context into the newest question": killed_often(
        asks(_with_context, as_it_was)
    ),
    "names no conversation, and puts context into the newest question": unnamed(
        asks(_with_context, as_it_was)
    ),
    "names no conversation, and drops pictures": unnamed(asks(_with_picture, as_it_was)),
    "names no conversation, and takes `<think>` out of answers": unnamed(thinks),
    "names no conversation, and writes ids of tool calls anew": unnamed(resent(_new_call_ids)),
}
"""By what they do."""
