"""Writes the tables of `docs/conventions.md`: `python -m tests.fidelity.conventions`.

Of the recordings in the repository, and of those in the folder that the environment names: `corpus`. Each
recording comes in several ways; a cell says what differs between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fidelity.corpus import OURS, Recording, folder, recordings
from tests.fidelity.foreign import Score
from tests.fidelity.losses import NOTES
from tests.fidelity.ways import MEASURED, score_way

PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"
BEGIN, END = "<!-- made by `make conventions` -->", "<!-- end -->"

TABLES: Mapping[str, Sequence[str]] = {
    "Chats": (
        "chat_multiturn",
        "chat_session",
        "streaming",
        "image",
        "error",
        "long_history",
        "unicode_long",
        "chat_multiturn_truncated",
        "unicode_long_truncated",
    ),
    "Tools, agents, documents": (
        "tools_parallel",
        "agent_session",
        "langgraph_thread",
        "handoff",
        "responses_reasoning",
        "responses_stream",
        "rag",
        "rag_manual",
        "tools",
        "responses",
        "responses_tool_failed",
        "chat_completions",
    ),
    "Answers of other kinds": (
        "text_and_tools",
        "resent",
        "choices",
        "refusal",
        "media",
        "completions",
        "developer",
        "left_early",
    ),
    "Recorded by `make record`": ("weather",),
    "Other settings": (
        "no_content",
        "events_only",
        "span_and_event",
        "span_and_event_image",
        "structured_tools_parallel",
        "tools_parallel_observe",
        "responses_reasoning_status",
        "two_layers",
    ),
}
"""Scenarios, by the title of their table."""

RECORDED = "recorded"
"""The column of the day, and of the versions that the producer's name does not say."""
TOGETHER = "together"


@dataclass(frozen=True)
class Measured:
    """How a recording fares."""

    scores: Mapping[str, Score]
    """By the way it comes."""
    recorded: str
    """When, and which packages."""


Scores = Mapping[tuple[str, str], Measured]
"""By producer and scenario."""


def scores(found: Iterable[Recording]) -> Scores:
    """How recordings fare, in each way they may come."""
    return {
        (entry.producer, entry.scenario): Measured(
            {name: score_way(entry, way) for name, way in MEASURED.items()}, entry.recorded
        )
        for entry in found
    }


def cell(made: Score) -> str:
    """What arrived of what could, and what is wrong, if anything is."""
    wrong = [f"{count} {name.replace('_', ' ')}" for name, count in made.wrong.items()]
    return ", ".join([f"{made.recovered} / {made.recoverable}", *wrong])


def cells(made: Measured) -> str:
    """What arrived all together, and in each way in which it is not the same."""
    together = made.scores[TOGETHER]
    others = [f"{name}: {cell(score)}" for name, score in made.scores.items() if score != together]
    return "; ".join([cell(together), *others])


def losers(made: Scores) -> set[str]:
    """Producers of which something does not arrive whole."""
    return {
        producer
        for (producer, _), value in made.items()
        if not all(score.is_perfect for score in value.scores.values())
    }


def recorded(made: Scores, producer: str) -> str:
    """When a producer was recorded; of several days, the first and the last."""
    days = sorted({value.recorded for (name, _), value in made.items() if name == producer})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def tables(made: Scores) -> str:
    """All tables, each with the producers that have any of its scenarios, the sum of everything, and why."""
    lines = []
    for title, scenarios in TABLES.items():
        here = [name for name in scenarios if any(scenario == name for _, scenario in made)]
        producers = sorted({producer for producer, scenario in made if scenario in here})
        lines += [
            f"### {title}",
            "",
            f"| | {' | '.join([RECORDED, *here])} |",
            "|---" * (len(here) + 2) + "|",
        ]
        for producer in producers:
            row = [cells(made[producer, name]) if (producer, name) in made else "" for name in here]
            lines.append(f"| {producer} | {' | '.join([recorded(made, producer), *row])} |")
        lines.append("")
    lines += [f"- {name}: {NOTES[name]}." for name in sorted(losers(made))]
    sums = {way: cell(sum((entry.scores[way] for entry in made.values()), Score())) for way in MEASURED}
    return "\n".join([*lines, "", *(f"All, {way}: {total}.  " for way, total in sums.items())]).rstrip()


def told(text: str) -> Mapping[tuple[str, str], str]:
    """The cells that a page has, by producer and scenario."""
    found: dict[tuple[str, str], str] = {}
    scenarios: list[str] = []
    for line in text.splitlines():
        first, *cells = (
            [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else [""]
        )
        if not first:
            scenarios = cells or scenarios
        found |= {(first, name): cell for name, cell in zip(scenarios, cells, strict=False) if first and cell}
    return found


def page(text: str, made: Scores) -> str:
    """The page with its tables made new."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables(made)}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    made = {**scores(recordings(OURS)), **scores(recordings(folder()))}
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
