"""Outcomes as CSV or as JSON lines, whose columns are arguments of `record_outcome()`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from greenflash_otel.importing.csv_rows import Row, read_rows
from greenflash_otel.importing.lines import read_json_lines, read_lines
from greenflash_otel.importing.piece import ImportRules, Piece
from greenflash_otel.importing.transcripts import UnusableLineError, read_moment_ms
from greenflash_otel.json_values import JsonObject, read_json, to_json
from greenflash_otel.model.telemetry import NS_PER_MS
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.repair import repair_outcome

COLUMNS: Final = (
    "event_type",
    "value",
    "value_type",
    "influence",
    "quality_impact_score",
    "conversation_id",
    "user_id",
    "organization_id",
    "event_at",
    "properties",
    "insert_id",
    "link",
    "within_s",
    "greenflash_conversation_id",
    "greenflash_user_id",
    "greenflash_organization_id",
    "sample_rate",
    "force_sample",
)
"""Arguments of `record_outcome()` that a column can have."""
PROPERTY: Final = "properties."
"""Begins the name of a column with one property."""
WHOSE: Final = ("conversation_id", "user_id", "organization_id")


def is_outcome_line(fields: JsonObject) -> bool:
    """Return whether a line of JSON is an outcome."""
    return "event_type" in fields


def is_outcome_header(text: str) -> bool:
    """Return whether a line of CSV names the columns of outcomes."""
    try:
        return "event_type" in _clean_names(next(csv.reader([text]), []))
    except csv.Error:
        return False


def read_outcomes(paths: Sequence[Path], rules: ImportRules) -> Iterator[Piece]:
    """Yield the outcomes of files. Raises OSError if one cannot be read."""
    for path in paths:
        first = next((line.text for line in read_lines(path) if line.text.strip()), "")
        rows = _read_json_rows(path) if first.lstrip().startswith("{") else _read_csv_rows(path)
        for row in rows:
            yield _read_row(path, row, rules)


def _read_json_rows(path: Path) -> Iterator[Row]:
    for line in read_json_lines(path):
        yield Row(line.line.number, line.line.share, line.fields, line.problem)


def _read_csv_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file of CSV; a wrong header is a problem of the file as a whole."""
    rows = read_rows(read_lines(path))
    header = next(rows, None)
    if header is None:
        return
    names = _clean_names(header.fields.values())
    wrong = [name for name in names if not _is_column(name)]
    if wrong or "event_type" not in names or len(set(names)) < len(names):
        known = ", ".join(COLUMNS)
        why = (
            f"{', '.join(map(repr, wrong))} is no column"
            if wrong
            else "event_type is missing, or a column is there twice"
        )
        yield Row(0, 1.0, {}, header.problem or f"{why}; columns are {known}, and properties.NAME")
        return
    for row in rows:
        if row.problem:
            yield row
        elif len(row.fields) != len(names):
            yield Row(row.number, row.share, {}, f"{len(row.fields)} columns, not {len(names)}")
        else:
            values = {
                name: value for name, value in zip(names, row.fields.values(), strict=True) if value.strip()
            }
            yield Row(row.number, row.share, values)


def _read_row(path: Path, row: Row, rules: ImportRules) -> Piece:
    try:
        if row.problem:
            raise UnusableLineError(row.problem)
        outcome, remark = _make_outcome(path, row.fields, rules)
    except UnusableLineError as error:
        return Piece(path, row.number, row.share, problem=str(error))
    return Piece(path, row.number, row.share, outcomes=(outcome,), remark=remark)


def _make_outcome(path: Path, fields: JsonObject, rules: ImportRules) -> tuple[Outcome, str]:
    """Make the outcome that a row means, and say what was repaired of it."""
    given = {name: value for name, value in fields.items() if value is not None}
    if wrong := [name for name in given if not _is_column(name)]:
        raise UnusableLineError(f"{wrong[0]!r} is no argument of record_outcome(); put it into properties")
    if not str(given.get("event_type", "")).strip():
        raise UnusableLineError("event_type is missing")
    if not any(given.get(name) or given.get(f"greenflash_{name}") for name in WHOSE):
        raise UnusableLineError("there is no conversation_id, no user_id and no organization_id")
    at_ms = read_moment_ms("event_at", given.get("event_at"))
    repaired = repair_outcome(
        given["event_type"],
        given.get("value", True),
        now_ns=rules.find_default_ms(path) * NS_PER_MS,
        new_insert_id=rules.make_id("outcome", {name: to_json(value) for name, value in given.items()}),
        event_at_ns=None if at_ms is None else at_ms * NS_PER_MS,
        properties=_read_properties(given),
        **{
            name: given.get(name)
            for name in COLUMNS
            if name not in ("event_type", "value", "event_at", "properties")
        },
    )
    return repaired.outcome, "; ".join(repaired.repairs.problems)


def _read_properties(given: Mapping[str, Any]) -> Mapping[str, Any] | None:
    whole = read_json(given.get("properties"))
    single = {
        name.removeprefix(PROPERTY): value for name, value in given.items() if name.startswith(PROPERTY)
    }
    if whole is not None and not isinstance(whole, Mapping):
        raise UnusableLineError("properties is no JSON object")
    return {**(whole or {}), **single} or None


def _is_column(name: str) -> bool:
    return name in COLUMNS or (name.startswith(PROPERTY) and len(name) > len(PROPERTY))


def _clean_names(names: Any) -> list[str]:
    return [name.strip().lstrip("\ufeff") for name in names]
