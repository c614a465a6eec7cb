"""Lines that are nearly right: a wrong one costs only itself, and is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenflash_otel.importing import lines
from greenflash_otel.importing.chat import read_chat
from greenflash_otel.importing.file_formats import READERS, find_format
from greenflash_otel.importing.piece import ImportRules, Piece
from tests.importing.files import (
    BATCH_INPUT,
    BATCH_OUTPUT,
    CHAT,
    FILES,
    MESSAGES,
    OUTCOME_LINES,
    OUTCOMES,
    TRAINING,
    in_lines,
)

RULES = ImportRules(at_ms=1_700_000_000_000)
GOOD: dict[str, list[Any]] = {
    "chat": [CHAT, *MESSAGES],
    "fine-tuning": [TRAINING],
    "openai-batch": [*BATCH_INPUT[:2], *BATCH_OUTPUT],
    "outcomes": [*OUTCOME_LINES],
}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def read(format: str, path: Path) -> list[Piece]:
    """All pieces of a file."""
    return list(READERS[format]([path], RULES))


def imported(pieces: list[Piece]) -> list[Any]:
    """What would be handed over."""
    return [thing for piece in pieces for thing in (*piece.spans, *piece.outcomes)]


@st.composite
def nearly_right(draw: st.DrawFn, format: str) -> bytes:
    """A line of the format, of which a field is something else, or of which bytes are missing."""
    line: Any = json.loads(json.dumps(draw(st.sampled_from(GOOD[format]))))
    where = line
    while isinstance(where, (dict, list)) and where:
        key = draw(st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where))))
        if draw(st.booleans()) or not isinstance(where[key], (dict, list)) or not where[key]:
            where[key] = draw(JUNK)
            break
        where = where[key]
    text = json.dumps(line).encode()
    cut = draw(st.integers(0, len(text)))
    return draw(st.sampled_from([text, text[:cut], text[cut:], text[:cut] + b"\xff" + text[cut:]]))


@pytest.mark.parametrize("format", GOOD)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_line_costs_only_itself(format: str, data: st.DataObject, tmp_path: Path) -> None:
    """Whatever is between good lines, those are imported as if it were not there."""
    path = tmp_path / "file"
    good = in_lines(*({**CHAT, "conversation_id": "own"} if one is CHAT else one for one in GOOD[format]))
    path.write_bytes(good)
    alone = imported(read(format, path))
    junk = data.draw(nearly_right(format))
    if format == "openai-batch":  # a changed copy of a request would have its name
        junk = junk.replace(b'"a"', b'"junk"').replace(b'"b"', b'"junk"')
    path.write_bytes(good + junk.replace(b"\n", b" ") + b"\n")
    pieces = read(format, path)
    both = imported(pieces)
    if format == "chat" and any(b'"%s"' % id in junk for id in (b"one", b"two", b"own")):
        return  # it is a good message of one of these conversations
    assert all(thing in both for thing in alone)
    number = good.count(b"\n") + 1
    if len(both) == len(alone) and junk.strip():
        assert any(piece.problem and piece.line == number for piece in pieces) or format == "openai-batch"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.text('",\nab 1', max_size=30))
def test_a_row_costs_only_itself(junk: str, tmp_path: Path) -> None:
    """A quotation mark that is not closed does not swallow what follows, unless it makes a right row of it."""
    path = tmp_path / "file.csv"
    header, first, second = OUTCOMES.splitlines(keepends=True)
    path.write_bytes(header + first + junk.encode() + b"\n" + second)
    pieces = read("outcomes", path)
    assert next(piece.outcomes[0].event_type for piece in pieces if piece.outcomes) == "upgrade"
    assert pieces[-1].outcomes
    assert pieces[-1].outcomes[0].event_type == "churn"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"conversation_id": "x", "messages": []}, "messages is no list of messages"),
        ({"conversation_id": "x", "messages": ["hello"]}, "message 1 is no object"),
        (
            {"conversation_id": "x", "messages": [{"role": "user"}]},
            "message 1: content is empty, and no tool",
        ),
        (
            {"conversation_id": "x", "role": "user", "content": 5},
            "content is neither text nor a list of parts",
        ),
        ({"conversation_id": "x", "role": "me", "content": "a"}, "role is none of"),
        (
            {"conversation_id": "x", "role": "user", "content": "a", "created_at": "soon"},
            "created_at is no time",
        ),
        ({"role": "user", "content": "a"}, "there is neither conversation_id nor messages"),
        (
            {"conversation_id": "x", "role": "user", "content": "a", "properties": 7},
            "properties (int) was left out",
        ),
    ],
)
def test_what_is_said_of_a_message(line: dict[str, Any], why: str, tmp_path: Path) -> None:
    """The line, and what is wrong in it."""
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b"\n" + in_lines(line))
    [piece] = [piece for piece in read("chat", path) if piece.problem]
    assert (piece.line, piece.problem.startswith(why)) == (2, True), piece.problem


def test_a_field_that_is_not_imported(tmp_path: Path) -> None:
    """It is named once."""
    path = tmp_path / "chat.jsonl"
    path.write_bytes(in_lines(*({**message, "title": "x"} for message in MESSAGES)))
    [remark] = [piece.remark for piece in read("chat", path) if piece.remark]
    assert remark.startswith("'title' is not imported")


def test_lines_that_are_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not read into memory, and the lines around them are read."""
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1 << 16)
    path = tmp_path / "chat.jsonl"
    path.write_bytes(in_lines(CHAT) + b'"' + b"x" * (1 << 20) + b'"\n' + in_lines(MESSAGES[0]))
    pieces = list(read_chat([path], RULES))
    assert [piece.line for piece in pieces if piece.problem] == [2]
    assert len(imported(pieces)) == 2


def test_what_is_in_memory_is_one_line(tmp_path: Path) -> None:
    """Pieces come while the file is read: the first one when nearly nothing of it is read."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(in_lines(TRAINING) * 5_000)
    first = next(iter(READERS["fine-tuning"]([path], RULES)))
    assert first.share < 0.2
    assert first.spans


FIND: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda text: text,
    "behind a broken line": lambda text: b'{"broken\n' + text,
    "behind blank lines": lambda text: b"\n\n" + text,
    "behind a mark of its encoding": lambda text: b"\xef\xbb\xbf" + text,
}


@pytest.mark.parametrize("how", FIND)
@pytest.mark.parametrize("format", FILES)
def test_the_format_of_a_file(format: str, how: str, tmp_path: Path) -> None:
    """It is seen from what is in the file, not from its name."""
    for text in FILES[format].values():
        if not text.startswith(b"{") and how in ("behind a broken line", "behind blank lines"):
            continue  # the first line of CSV is its header
        path = tmp_path / "file"
        path.write_bytes(FIND[how](text))
        assert find_format(path) == format
