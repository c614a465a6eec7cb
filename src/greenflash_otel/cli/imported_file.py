"""What an import hands its records to, and what it finds in each file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.visible_text import escape_controls

PATIENCE_S: Final = 60.0
"""How long to wait for room in the outbox before giving up."""
MOST_REPORTED: Final = 20
"""Lines of a file that are named; of the others the number is."""
BAR: Final = 24
"""Characters of the progress bar."""


class OutOfRoomError(Exception):
    """The outbox has no room, and nothing can be delivered."""


class ImportTarget(Protocol):
    """A pipeline, or what stands in for it in a dry run."""

    def take(self, spans: Iterable[SpanRecord]) -> bool:
        """Keep spans; whether there was room for them."""
        ...

    def take_logs(self, logs: Iterable[LogRecord]) -> bool:
        """Keep log records; whether there was room for them."""
        ...

    def take_outcomes(self, outcomes: Iterable[Outcome]) -> bool:
        """Keep outcomes; whether there was room for them."""
        ...

    def deliver_ready(self, timeout_s: float) -> bool:
        """Deliver what waits for nothing."""
        ...


@dataclass(slots=True)
class ImportedFile:
    """A file and what was found in it."""

    path: Path
    format: str = "otlp"
    start: int = 0
    """The byte to begin at."""
    spans: int = 0
    """Of a file of OTLP; of any other its conversations, or the calls of a batch."""
    logs: int = 0
    outcomes: int = 0
    problems: int = 0
    """Lines, requests, or parts of them, that cannot be read."""
    remarks: int = 0
    """Lines of which something was repaired or left out."""
    foreign: int = 0
    """Objects in JSON that are none of OTLP's."""
    has_wrong_form: bool = False
    """Whether the file as a whole cannot be read."""
    reported: int = field(default=0, repr=False)

    @property
    def is_wrong(self) -> bool:
        """Whether there is something in it, and nothing that can be imported."""
        if self.format != "otlp":
            return self.has_wrong_form
        return not self.spans and not self.logs and bool(self.problems or self.foreign)

    def describe_emptiness(self) -> str:
        """Say that there is nothing to import in it; an empty text if there is."""
        if self.spans or self.logs or self.outcomes:
            return ""
        if self.format != "otlp":
            is_part = self.format == "openai-batch"  # its requests are imported with their answers
            return "" if self.problems or is_part else f"{self.path}: there is nothing to import in it."
        if self.is_wrong:
            return (
                f"{self.path}: no spans and no log records in it. Name a file of OTLP: JSON, JSON lines or protobuf. "
                "If it is of another format, name that with --format."
            )
        after = f" after byte {self.start}" if self.start else ""
        return f"{self.path}: no spans and no log records in it{after}, so there is nothing to import."

    def report(self, line: int, text: str) -> None:
        """Say what is wrong with a line, if not too many were named already."""
        self.reported += 1
        if self.reported <= MOST_REPORTED:
            where = f"{self.path}, line {line}" if line else str(self.path)
            print(escape_controls(f"{where}: {text}"), file=sys.stderr)

    def report_rest(self) -> None:
        """Say how many lines were not named."""
        if self.reported > MOST_REPORTED:
            print(f"{self.path}: {self.reported - MOST_REPORTED} more lines like these.", file=sys.stderr)


def hand_over(target: ImportTarget, take: Callable[[], bool]) -> None:
    """Hand over records; if there is no room for them, once more when something was delivered.

    Raises:
        OutOfRoomError: There is still no room.
    """
    if take():
        return
    target.deliver_ready(PATIENCE_S)
    if not take():
        print("The outbox has no room, and nothing can be delivered.", file=sys.stderr)
        raise OutOfRoomError


def show_progress(path: Path, share: float | None, text: str = "", end: str = "") -> None:
    """Draw how much of a file is done, on a terminal only.

    Args:
        share: From 0 to 1; None where that is not known.
        text: Said in place of the percentage.
    """
    if sys.stderr.isatty():
        done = round(BAR * share) if share is not None else 0
        bar = "" if share is None else f" [{'#' * done}{'.' * (BAR - done)}]"
        said = text or f"{100 * (share or 0):.0f} %"
        print(f"\r{path.name}:{bar} {said}", end=end, file=sys.stderr, flush=True)
