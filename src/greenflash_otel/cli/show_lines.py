"""A conversation as lines of text: who said what, internal steps as a tree, outcomes and ratings in place. Pure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from greenflash_otel.cli.signs import (
    describe_outcome,
    describe_rating,
    write_duration,
    write_measures,
    write_payload,
)
from greenflash_otel.cli.text_columns import cut, make_visible, measure, pad, wrap

MOST_LABEL: Final = 12
MOST_TYPE: Final = 16
MARGIN: Final = "  "
PAYLOADS: Final = ("input", "output", "content", "context", "properties")

JsonObject: TypeAlias = Mapping[str, Any]
"""Part of a record of schema ``conversation/1``."""


def write_conversation(conversation: JsonObject, width: int | None, *, in_full: bool) -> Iterator[str]:
    """Yield the lines of a conversation.

    Args:
        conversation: As the emulator has it.
        width: Of the terminal; None if lines stay whole.
        in_full: Whether to show all of internal steps, of the system prompt and of properties.
    """
    yield from _write_heading(conversation, width)
    page = _Page(conversation, width, in_full)
    yield from page.write_prompt()
    for turn in conversation["turns"]:
        yield from page.write_turn(turn)
    if not conversation["turns"]:
        yield f"{MARGIN}No message of it has arrived."
    for outcome in conversation["outcomes"]:
        if "turn" not in outcome:
            yield from page.write_outcome(outcome)
    if not conversation["turns"]:
        for rating in conversation["ratings"]:
            yield from page.write_rating(rating)


def _write_heading(conversation: JsonObject, width: int | None) -> Iterator[str]:
    turns = [turn for turn in conversation["turns"] if turn["number"]]
    who = conversation["user"]
    if conversation["organization"]:
        who = f"{who} @ {conversation['organization']}"
    times = sorted(_list_times(conversation))
    facts = [
        conversation["external_id"] or conversation["id"],
        who,
        conversation["model"] or "",
        f"{len(turns)} turn{'' if len(turns) == 1 else 's'}",
        _write_times(times[0], times[-1]) if times else "",
    ]
    line = ""
    for fact in filter(None, map(make_visible, facts)):
        if line and width is not None and measure(line) + 2 + measure(fact) > width:
            yield cut(line, width)
            line = fact
        else:
            line = f"{line}  {fact}" if line else fact
    yield cut(line, width)
    yield conversation["url"]


def _list_times(conversation: JsonObject) -> Iterator[str]:
    for turn in conversation["turns"]:
        said = [turn["user"], turn["failure"], *turn["answers"], *turn["system"], *turn["steps"]]
        yield from (each["at"] for each in said if each)


def _write_times(first: str, last: str) -> str:
    day = "" if first[:10] == last[:10] else f"{last[:10]} "
    return f"{first[:10]} {first[11:19]} to {day}{last[11:19]} UTC"


class _Page:
    """Writes the parts of one conversation below each other, with labels on the left."""

    def __init__(self, conversation: JsonObject, width: int | None, in_full: bool) -> None:
        self._conversation = conversation
        self._width = width
        self._in_full = in_full
        self._user = cut(make_visible(conversation["user"]), MOST_LABEL)
        self._label = max(measure(self._user), len("answer"))
        self._indent = len(MARGIN) + self._label + 2
        self._room = None if width is None else max(width - self._indent, 20)

    def write_prompt(self) -> Iterator[str]:
        """Yield the system prompt and the properties, in one line each unless all is wanted."""
        prompt, properties = self._conversation["system_prompt"], self._conversation["properties"]
        if prompt:
            text = prompt if isinstance(prompt, str) else _join_prompt(prompt)
            yield from self._write_part("prompt", text)
        if properties and self._in_full:
            yield from self._write_part("about", write_payload(properties))

    def write_turn(self, turn: JsonObject) -> Iterator[str]:
        """Yield what happened in a turn, in order."""
        yield from self._write_branches(turn["branches"])
        parts: list[tuple[int, str, Any]] = []
        for name in ("answers", "system"):
            parts += [(each["index"], name, each) for each in turn[name]]
        parts += [(turn[name]["index"], name, turn[name]) for name in ("user", "failure") if turn[name]]
        for index, steps in itertools.groupby(turn["steps"], lambda step: step["index"]):
            parts.append((index, "steps", list(steps)))
        for name in ("outcomes", "ratings"):
            mine = [each for each in self._conversation[name] if each.get("turn") == turn["number"]]
            parts += [(each["index"], name, each) for each in mine]
        for _, name, part in sorted(parts, key=lambda each: each[0]):
            yield from self._write_any(name, part)

    def write_outcome(self, outcome: JsonObject) -> Iterator[str]:
        """Yield an outcome, when it happened."""
        text = make_visible(describe_outcome(outcome))
        yield from self._write_labelled("◆", [text], self._write_moment(outcome))

    def write_rating(self, rating: JsonObject) -> Iterator[str]:
        """Yield a rating that no message of the conversation has."""
        sign, _, value = describe_rating(rating).partition(" ")
        texts = [value or "of the conversation"] if rating["message"] is None or value else []
        texts += [f"“{rating['feedback']}”"] if rating["feedback"] else []
        if rating.get("unknown_message"):
            texts.append(f"of message {rating['message']}, which this conversation does not have")
        lines = list(wrap(" ".join(texts), self._room))
        yield from self._write_labelled(sign, lines, self._write_moment(rating))

    def _write_any(self, name: str, part: Any) -> Iterator[str]:  # Any: a part, whose name says which
        if name == "steps":
            yield from self._write_steps(part)
        elif name == "failure":
            lines = wrap(f"The user got no answer: {part['error']}", self._room)
            yield from self._write_labelled("✕", list(lines), part["at"][11:19])
        elif name == "outcomes":
            yield from self.write_outcome(part)
        elif name == "ratings":
            yield from self.write_rating(part)
        else:
            label = {"user": self._user, "answers": "answer"}.get(name, "system")
            yield from self._write_message(label, part)

    def _write_message(self, label: str, message: JsonObject) -> Iterator[str]:
        content = message["content"]
        if not content:
            content = "(empty)" if content == "" else "(content was not sent)"
        measures = [*write_measures(message), *map(describe_rating, message["ratings"])]
        if message["of"] > 1:
            measures.insert(0, f"answer {message['number']} of {message['of']}")
        yield from self._write_labelled(
            label, list(wrap(content.rstrip("\n"), self._room)), "  ".join(measures)
        )
        for note in _list_notes(message):
            yield from self._write_labelled("", list(wrap(note, self._room)), "")

    def _write_branches(self, branches: Sequence[JsonObject]) -> Iterator[str]:
        if len(branches) < 2:
            return
        shown = next((n for n, branch in enumerate(branches, 1) if branch["is_shown"]), 1)
        ending = "" if branches[shown - 1]["was_continued"] else ", not continued"
        yield f"{MARGIN}── branch {shown} of {len(branches)}{ending}"
        for number, branch in enumerate(branches, 1):
            if not branch["is_shown"]:
                yield cut(
                    f"{MARGIN}   branch {number}: --branch {make_visible(branch['message'])}", self._width
                )

    def _write_steps(self, steps: Sequence[JsonObject]) -> Iterator[str]:
        types = [measure(each["type"]) for step in steps for each in (step, *step["results"])]
        column = min(max(types), MOST_TYPE)
        for number, step in enumerate(steps):
            later = [other["depth"] for other in steps[number + 1 :]]
            is_last = next((depth < step["depth"] for depth in later if depth <= step["depth"]), True)
            outer = "".join("│ " if _goes_on(later, depth) else "  " for depth in range(step["depth"]))
            inner = outer + ("  " if is_last else "│ ")
            yield from self._write_step(outer + ("└ " if is_last else "├ "), inner, column, step)
            for place, result in enumerate(step["results"], 1):
                marks = ("└ ", "  ") if place == len(step["results"]) else ("├ ", "│ ")
                unnamed = {**result, "name": None if result["name"] == step["name"] else result["name"]}
                yield from self._write_step(inner + marks[0], inner + marks[1], column, unnamed)

    def _write_step(self, mark: str, below: str, column: int, step: JsonObject) -> Iterator[str]:
        kind = pad(cut(make_visible(step["type"]), column), column)
        parts = filter(None, (step["name"], "" if self._in_full else _summarise(step)))
        measures = [write_duration(step["duration_ms"])] if step.get("duration_ms") else []
        end = "  ".join([*measures, *map(describe_rating, step.get("ratings", ()))])
        room = self._room if self._room is None or not end else self._room - measure(end) - 2
        line = f"{mark}{kind} {make_visible(' '.join(parts))}".rstrip()
        yield from self._write_labelled("", [cut(line, room)], end)
        for note in _list_step_notes(step):
            yield from self._write_labelled("", [cut(f"{below}{make_visible(note)}", self._room)], "")
        if self._in_full:
            yield from self._write_payloads(below, step)

    def _write_payloads(self, below: str, step: JsonObject) -> Iterator[str]:
        for name in PAYLOADS:
            value = step[name]
            if value in (None, "", {}):
                continue
            room = None if self._room is None else max(self._room - len(below) - 2, 20)
            brief = f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
            if "\n" in brief or (room is not None and measure(brief) > room):
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
                lines = [name, *(f"  {line}" for line in wrap(text, room))]
            else:
                lines = [make_visible(brief)]
            yield from self._write_labelled("", [below + line for line in lines], "")

    def _write_part(self, label: str, text: str) -> Iterator[str]:
        lines = list(wrap(text, self._room)) if self._in_full else [cut(make_visible(text), self._room)]
        yield from self._write_labelled(label, lines, "")

    def _write_moment(self, happening: JsonObject) -> str:
        gap = f"{happening['gap']} later  " if happening.get("gap") else ""
        return gap + str(happening["at"])[11:19]

    def _write_labelled(self, label: str, lines: Sequence[str], end: str) -> Iterator[str]:
        """Yield lines behind a label; what is to be said of them is at the right of the last one, or below it."""
        written = list(lines) or [""]
        if end and self._room is not None:
            free = self._room - measure(written[-1]) - 2
            if free < measure(end):
                written.append("")
            written[-1] = pad(written[-1], max(self._room - measure(end), 0)) + cut(end, self._room)
        elif end:
            written[-1] += f"  {end}"
        for number, line in enumerate(written):
            yield (MARGIN + pad("" if number else label, self._label) + "  " + line).rstrip()


def _list_notes(message: JsonObject) -> Iterator[str]:
    if message["error"]:
        yield f"✕ {message['error']}"
    if message["ending_text"]:
        yield f"✂ {message['ending_text']}"
    if message["missing_parent"]:
        yield f"hangs on {message['missing_parent']}, which is not stored"
    for rating in message["ratings"]:
        if rating["feedback"]:
            yield f"“{rating['feedback']}”"


def _list_step_notes(step: JsonObject) -> Iterator[str]:
    if step["error"] and step["type"] != "tool_error":  # whose type says so
        yield f"✕ {step['error']}"
    if step.get("missing_parent"):
        yield f"hangs on {step['missing_parent']}, which is not stored"


def _goes_on(later: Sequence[int], depth: int) -> bool:
    """Return whether a step of a depth follows, before one that is less deep."""
    return next((each == depth for each in later if each <= depth), False)


def _summarise(step: JsonObject) -> str:
    """Return what a step was about, in short: a call by its input, a result by its output."""
    values = (step["content"], step["input"], step["output"])
    if step["type"] in ("observation", "tool_error"):
        values = (step["output"], step["content"], step["input"])
    return next((write_payload(value) for value in values if value not in (None, "")), "")


def _join_prompt(prompt: JsonObject) -> str:
    parts = [prompt.get("content"), *(part.get("content") for part in prompt.get("components") or ())]
    variables = prompt.get("variables")
    texts = [*filter(None, parts), *([f"with {write_payload(variables)}"] if variables else [])]
    return "\n".join(texts) or str(prompt.get("externalPromptId") or prompt.get("promptId") or "")
