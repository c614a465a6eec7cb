"""Find which format a file has, by what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

from greenflash_otel.importing.chat import is_chat, read_chat
from greenflash_otel.importing.fine_tuning import is_fine_tuning, read_fine_tuning
from greenflash_otel.importing.lines import read_lines
from greenflash_otel.importing.openai_batch import is_batch, read_batch
from greenflash_otel.importing.outcome_rows import is_outcome_header, is_outcome_line, read_outcomes
from greenflash_otel.importing.piece import ImportRules, Piece
from greenflash_otel.json_values import JsonObject, read_json

ReadFiles: TypeAlias = Callable[[Sequence[Path], ImportRules], Iterator[Piece]]
"""Yields what is in files of one format."""

AUTO: Final = "auto"
OTLP: Final = "otlp"
OTLP_SIGNALS: Final = frozenset({"resourceSpans", "resourceLogs", "resourceMetrics"})
FIRST_LINES: Final = 20
"""Lines from which a format is seen: the first may be broken."""

READERS: Final[Mapping[str, ReadFiles]] = {
    "openai-batch": read_batch,
    "chat": read_chat,
    "fine-tuning": read_fine_tuning,
    "outcomes": read_outcomes,
}
"""What reads a format other than OTLP. They are imported in this order: outcomes belong to conversations."""
FORMATS: Final = (AUTO, OTLP, *READERS)

LINES: Final[Sequence[tuple[str, Callable[[JsonObject], bool]]]] = (
    (OTLP, lambda fields: not fields.keys().isdisjoint(OTLP_SIGNALS)),
    ("openai-batch", is_batch),
    ("outcomes", is_outcome_line),
    ("chat", is_chat),
    ("fine-tuning", is_fine_tuning),
)
"""What a line of each format has; the first that fits counts."""


def find_format(path: Path) -> str:
    """Return the format of a file; OTLP for one of which nothing is known. Raises OSError if it cannot be read."""
    for number, line in enumerate(islice(read_lines(path), FIRST_LINES)):
        fields = read_json(line.text.strip())
        if isinstance(fields, dict):
            for name, fits in LINES:
                if fits(fields):
                    return name
        elif number == 0 and is_outcome_header(line.text):
            return "outcomes"
    return OTLP
