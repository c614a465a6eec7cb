"""What the conversation model notes is found by the process that comes after, and harms no request."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel import internal_errors
from greenflash_otel.delivery import state_table
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.state_record import StateRecord
from tests.delivery.conftest import Opening
from tests.delivery.fakes import messages
from tests.delivery.processes import killed
from tests.delivery.test_outbox import drained
from tests.delivery.test_outbox_disk import files_in

NOTE_AND_WAIT = """
from greenflash_otel.state_record import StateRecord
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat", sys.argv[2])], [StateRecord("chat", sys.argv[2], appends=True)])
print("put", flush=True)
sys.stdin.read()
"""


def noted(folder: Path, *notes: StateRecord, requests: Sequence[str] = ()) -> None:
    """A process keeps notes, and ends."""
    with closing(Outbox(folder)) as outbox:
        outbox.put([messages("chat", id) for id in requests], notes)


def added(*values: str, topic: str = "chat") -> list[StateRecord]:
    """Notes on one topic."""
    return [StateRecord(topic, value, appends=True) for value in values]


def changed(folder: Path, sql: str) -> None:
    """Change what is in the only file."""
    (name,) = files_in(folder)
    with closing(sqlite3.connect(folder / name)) as db, db:
        db.execute(sql)


def test_they_are_found_after_a_restart(opened: Opening, tmp_path: Path) -> None:
    """By topic, oldest first; what stands in place of others, alone; what holds no longer, not at all."""
    noted(tmp_path, *added("a", "b"), *added("c", topic="other"))
    noted(tmp_path, *added("d"), StateRecord("other", "e"), *added("f", topic="gone"))
    noted(tmp_path, StateRecord("gone", None))
    outbox = opened(tmp_path)
    found = [list(outbox.recall(topic)) for topic in ("chat", "other", "gone", "never")]
    assert found == [["a", "b", "d"], ["e"], [], []]


def test_a_killed_process_leaves_them_with_its_requests(opened: Opening, tmp_path: Path) -> None:
    """Both or neither: they are of one transaction. Whoever adopts the file finds them at once."""
    noted(tmp_path, *added("old"))
    outbox = opened(tmp_path)
    assert outbox.recall_inherited("ch") == ["old"]
    for id in ("a", "b"):
        killed(NOTE_AND_WAIT, tmp_path, id)
    assert not outbox.recall_inherited("ch")
    outbox.adopt()
    assert outbox.recall_inherited("ch") == ["a", "b"]
    assert outbox.recall("chat") == ["old", "a", "b"]
    assert drained(outbox) == ["a", "b"]


def test_what_is_found_by_its_beginning(opened: Opening, tmp_path: Path) -> None:
    """Each note once, and none of this process's own."""
    noted(tmp_path, *added("a"), *added("b", topic="charm"), *added("c", topic="other"))
    outbox = opened(tmp_path)
    outbox.put((), added("own"))
    assert sorted(outbox.recall_inherited("cha")) == ["a", "b"]
    assert not outbox.recall_inherited("cha")


def test_requests_that_are_refused_leave_none(opened: Opening, tmp_path: Path) -> None:
    """It would be noted as told what never was."""
    outbox = opened(tmp_path, limit_bytes=200_000)
    outbox.put([messages("chat", "a"), messages("chat", "b", size=300_000)], added("a and b"))
    outbox.put([messages("chat", "c")], added("c"))
    outbox.close()
    assert opened(tmp_path).recall("chat") == ["c"]


def test_where_they_cannot_be_kept_the_requests_are(opened: Opening, tmp_path: Path) -> None:
    """And that is counted."""
    noted(tmp_path, *added("a"), requests=["first"])
    changed(tmp_path, "DROP TABLE state")
    before = internal_errors.get_internal_errors().get("keep state records", 0)
    outbox = opened(tmp_path)
    assert not outbox.recall("chat")
    outbox.put([messages("chat", "second")], added("b"))
    assert drained(outbox) == ["first", "second"]
    assert internal_errors.get_internal_errors()["keep state records"] == before + 1
    assert not outbox.get_stats().lost


def test_one_of_which_a_bit_has_changed(opened: Opening, tmp_path: Path) -> None:
    """It is passed over and counted."""
    noted(tmp_path, *added("a", "b", "c"))
    changed(tmp_path, "UPDATE state SET value = 'x' WHERE value = 'b'")
    before = internal_errors.get_internal_errors().get("read state records", 0)
    assert opened(tmp_path).recall("chat") == ["a", "c"]
    assert internal_errors.get_internal_errors()["read state records"] == before + 1


def test_one_that_is_too_old(opened: Opening, tmp_path: Path) -> None:
    """It is removed when the file is opened; with nothing left, so is the file."""
    noted(tmp_path, *added("a"))
    changed(tmp_path, "UPDATE state SET day = day - 31")
    with closing(Outbox(tmp_path)) as outbox:
        assert not outbox.recall("chat")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("size", [1, 2_000])
def test_there_is_an_end_to_them(size: int, opened: Opening, tmp_path: Path) -> None:
    """By number and by size; the oldest go first, and the requests keep their room."""
    limit_bytes = 80_000 * size if size > 1 else 2**28
    outbox = opened(tmp_path, limit_bytes=limit_bytes)
    count = state_table.ROWS + 1 if size == 1 else 15_000
    for start in range(0, count, 10_000):
        numbers = range(start, min(start + 10_000, count))
        outbox.put(
            (), [StateRecord(f"topic {number}", f"{number:0{size}}", appends=True) for number in numbers]
        )
    outbox.put([messages("chat", "a", size=1000)])
    outbox.close()
    (name,) = files_in(tmp_path)
    with closing(sqlite3.connect(tmp_path / name)) as db:
        (rows,) = db.execute("SELECT count(*) FROM state").fetchone()
    left = [int(value) for value in opened(tmp_path, limit_bytes=limit_bytes).recall_inherited("topic")]
    assert rows == len(left)  # not only when it is opened
    assert sorted(left) == list(range(count - len(left), count))
    assert count // 2 < len(left) <= state_table.ROWS
    assert len(left) * size <= limit_bytes / 8


def test_memory_keeps_none(outbox: Outbox) -> None:
    """It ends with its process."""
    outbox.put([messages("chat", "a")], added("a"))
    assert not outbox.recall("chat")
    assert not outbox.recall_inherited("chat")
    assert drained(outbox) == ["a"]
