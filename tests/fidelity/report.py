"""Writes `docs/fidelity.md`: `python -m tests.fidelity.report`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from tests.fidelity.applications import APPLICATIONS
from tests.fidelity.paths import PATHS, can, run
from tests.fidelity.truth import Score, score

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"
NAMES = ("amber", "birch", "cedar")
"""The conversations, which take place at the same time."""

HEAD = """\
# Fidelity: is the conversation that arrives the one that took place?

Made by `make fidelity`. Scripted applications, each with its own way to hand the history back, talk through
real `openai` clients, or LangChain's models, to a scripted provider, three conversations at the same time.
What arrives is compared with what happened, message by message. A cell reads *messages that arrived /
messages that there were*, and then what is wrong, if anything is. Greenflash keeps a message that is sent
again under its id once; so does this count.

"""

TAIL = """
Where an application restarts, its process is killed without a word and another one begins with the same
outbox on disk. What is not perfect loses nothing: with its disk, a process loses all that it knew, and what a
window shows of a conversation is told once more, under other ids, at most the first window. It is the same
where the outbox is in memory, and where several processes take turns with a conversation of which each gets
a window only: a process knows what it was told itself, and what one that ended before it began had known.
"""


def scores(application: str) -> dict[str, Score]:
    """How an application fares on each path that it can take."""
    scripts = {name: APPLICATIONS[application](name) for name in NAMES}
    happened = [script.happened for script in scripts.values()]
    return {
        path: score(happened, run(scripts, way))
        for path, way in PATHS.items()
        if can(path, list(scripts.values()))
    }


def row(application: str, made: Mapping[str, Score]) -> str:
    """What the page says of an application."""
    cells = [_cell(made[path]) if path in made else "" for path in PATHS]
    return f"| {application} | {' | '.join(cells)} |"


def page(rows: Iterable[str]) -> str:
    """The whole page."""
    lines = [f"| the application … | {' | '.join(PATHS)} |", "|---" * (len(PATHS) + 1) + "|", *rows]
    return HEAD + "\n".join(lines) + "\n" + TAIL


def _cell(made: Score) -> str:
    names = [one.name for one in fields(made) if one.name not in ("messages", "found", "lost")]
    wrong = [f"{getattr(made, name)} {name.replace('_', ' ')}" for name in names if getattr(made, name)]
    return ", ".join([f"{made.found} / {made.messages}", *wrong])


if __name__ == "__main__":
    PAGE.write_text(page(row(one, scores(one)) for one in APPLICATIONS), encoding="utf-8")
