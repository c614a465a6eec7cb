"""What is read of a file at a time: what one line says, or one conversation of several lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenflash_otel.message_ids.ids import MESSAGE_ID_PREFIX, id_of, namespace_of
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Piece:
    """Something of a file: what can be imported of it, or why it cannot."""

    path: Path
    line: int
    """Where it begins; 0 for the file as a whole."""
    share: float = 0.0
    """How much of the file is done with it, from 0 to 1."""
    spans: Sequence[SpanRecord] = ()
    outcomes: Sequence[Outcome] = ()
    problem: str = ""
    """Why nothing of it is imported."""
    remark: str = ""
    """What was changed, or left out, of what is imported."""


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What of the settings, and of the command, counts while files are read."""

    id_key: bytes = b""
    """What ids that are made of content are hashed with."""
    captures_content: bool = True
    at_ms: int | None = None
    """Unix time in milliseconds of what has no time of its own; None: when its file was changed last."""

    def find_default_ms(self, path: Path) -> int:
        """Return the time, in Unix milliseconds, of what has none."""
        return path.stat().st_mtime_ns // 1_000_000 if self.at_ms is None else self.at_ms

    def make_id(self, kind: str, content: Json) -> str:
        """Make an id of content: the same in every run, and with an ``id_key`` one that nobody can guess."""
        made = id_of(namespace_of("import", self.id_key), None, kind, content)
        return f"import-{made.removeprefix(MESSAGE_ID_PREFIX)}"
