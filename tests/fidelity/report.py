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

Made by `make fidelity`, for everyone who wants to know how accurate the conversations are. Scripted applications
talk to a scripted provider through real `openai` clients or LangChain's models. Each application has its own way
to resend the history, and runs three conversations at the same time. The report compares what arrives with what
happened, message by message. A cell reads *messages that arrived / messages that there were*, and then what is
wrong, if anything is. Greenflash stores a message once, however often it is sent under its id. This count does
the same.

"""

TAIL = """
If an application restarts, its process is killed without warning, and another process begins with the same
outbox on disk. The imperfect cells lose no message. A process that loses its disk loses all conversation state.
Then it sends the first window of a resent history a second time, under other ids.

The same happens with an outbox in memory. It also happens if several processes take turns with a conversation,
and each gets only a window of it. The same is true of other words for the same message.
A process knows only what it captured itself, and the state of processes that ended before it began.

One kind has no row. An application may name neither conversation nor user, and resend answers that share no
words with the answers that were given. Two strangers can ask the same question, so the library begins another
conversation. `with conversation(...)` or `user_id` prevents that.
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
    names = [field.name for field in fields(made) if field.name not in ("messages", "found", "lost")]
    wrong = [f"{getattr(made, name)} {name.replace('_', ' ')}" for name in names if getattr(made, name)]
    return ", ".join([f"{made.found} / {made.messages}", *wrong])


if __name__ == "__main__":
    PAGE.write_text(
        page(row(application, scores(application)) for application in APPLICATIONS), encoding="utf-8"
    )
