"""Puts each library through the same faults and counts what arrives.

``python -m tests.faults.peers.compare [--python /path/to/python] [--write]``. The other Python has langfuse,
posthog, greenflash, opentelemetry-exporter-otlp-proto-http and what this library needs. All libraries run
with their own defaults. With ``--write`` the table goes into ``docs/reliability.md``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.faults.peers.receiving import Receiver
from tests.faults.peers.sending import LIBRARIES
from tests.faults.report import PAGE, with_part
from tests.faults.soak import ROOT

ITEMS = 200
PAUSE_S = 0.02
STAY_S = 30.0
TROUBLE_S = 15.0
NEXT_STAY_S = 8.0
"""How long the next process of the same application stays, which hands over nothing."""


@dataclass
class Trial:
    """One library in one kind of trouble."""

    library: str
    python: str
    receiver: Receiver
    state: str
    took: set[str] = field(default_factory=set)
    raised: set[str] = field(default_factory=set)
    end_s: float = 0.0
    """How long the process took to end after its last line."""

    def run(self, *, items: int = ITEMS, stay_s: float = STAY_S, kill_after: int | None = None) -> None:
        """Run the application; kill it when it has handed over so many."""
        command = [self.python, "-m", "tests.faults.peers.sending", self.library, self.receiver.url]
        running = subprocess.Popen(
            [*command, str(items), str(PAUSE_S), str(stay_s)],
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": self.state},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with running:
            assert running.stdout is not None
            ended_s = time.monotonic()
            for line in running.stdout:
                word, _, item = line.strip().partition(" ")
                if word == "took":
                    self.took.add(item)
                elif word == "raised":
                    self.raised.add(item)
                ended_s = time.monotonic()
                if kill_after is not None and len(self.took) + len(self.raised) >= kill_after:
                    running.kill()
        self.end_s = time.monotonic() - ended_s

    def cell(self) -> str:
        """What became of what the library took."""
        lost = len(self.took - set(self.receiver.items))
        again = sum(times > 1 for times in self.receiver.items.values())
        words = [f"{len(self.took)} taken, **{lost} lost**"]
        words += [f"{len(self.raised)} raised"] if self.raised else []
        words += [f"{again} sent again"] if again else []
        return ", ".join(words)


def killed(trial: Trial) -> None:
    """`kill -9` half way; another process of the application follows."""
    trial.receiver.listen()
    trial.run(kill_after=ITEMS // 2)
    trial.run(items=0, stay_s=NEXT_STAY_S)


def away(trial: Trial) -> None:
    """The server refuses connections for a while, then is there."""
    threading.Timer(TROUBLE_S, trial.receiver.listen).start()
    trial.run()


def failing(trial: Trial) -> None:
    """The server is there and answers 500 for a while."""
    trial.receiver.listen()
    trial.run()


def slow_at_the_end(trial: Trial) -> None:
    """The program ends at once, while the server needs longer for each answer than anybody waits."""
    trial.receiver.listen()
    trial.run(stay_s=0.0)
    trial.run(items=0, stay_s=NEXT_STAY_S)


class Mood:
    """What the server does: in the time of trouble one thing, later another."""

    def __init__(self, status: int | None = None, wait_s: float = 0.0) -> None:
        self._status = status
        self._wait_s = wait_s
        self._began_s = time.monotonic()

    def __call__(self) -> int | None:
        """The status to answer with; None for a good answer."""
        if time.monotonic() - self._began_s > TROUBLE_S:
            return None
        threading.Event().wait(self._wait_s)
        return self._status


TROUBLES: dict[str, tuple[Callable[[Trial], None], Callable[[], Mood]]] = {
    "`kill -9` half way, then a new process": (killed, Mood),
    f"server away for {TROUBLE_S:.0f} s": (away, Mood),
    f"500 for {TROUBLE_S:.0f} s": (failing, lambda: Mood(500)),
    f"server takes {TROUBLE_S:.0f} s per answer at the end, then a new process": (
        slow_at_the_end,
        lambda: Mood(wait_s=TROUBLE_S),
    ),
}


def tried(library: str, trouble: str, python: str) -> Trial:
    """A library in trouble."""
    act, mood = TROUBLES[trouble]
    with Receiver(mood()) as receiver, tempfile.TemporaryDirectory() as state:
        trial = Trial(library, python, receiver, state)
        act(trial)
        return trial


def table(python: str) -> str:
    """A row for each trouble, a column for each library; all of a row at the same time."""
    lines = [f"| | {' | '.join(LIBRARIES)} |", "|---" * (len(LIBRARIES) + 1) + "|"]
    with ThreadPoolExecutor(max_workers=len(LIBRARIES)) as pool:
        for trouble in TROUBLES:
            trials = pool.map(lambda library, trouble=trouble: tried(library, trouble, python), LIBRARIES)
            lines.append(f"| {trouble} | {' | '.join(trial.cell() for trial in trials)} |")
    return "\n".join(lines)


def main() -> None:
    """Compare, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    made = table(given.python)
    print(made)  # noqa: T201 - a program
    if given.write:
        PAGE.write_text(with_part(PAGE.read_text(encoding="utf-8"), "peers", made), encoding="utf-8")


if __name__ == "__main__":
    main()
