"""What time does to an outbox: clocks that jump, journals that are damaged, files of earlier versions."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.delivery.outbox import Outbox
from tests.delivery.fakes import messages
from tests.delivery.processes import killed
from tests.delivery.test_outbox import counts_add_up, drained

DAY_S = 86_400
PUTS = 20
PUT_ONE_BY_ONE = f"""
outbox = Outbox(sys.argv[1])
for number in range({PUTS}):
    outbox.put([messages("c", f"{{number:02}}", size=2_000)])
print("put", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("jump_s", [-2 * DAY_S, 365 * DAY_S])
def test_a_clock_that_jumps(jump_s: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Between two processes, and while one runs: order within a conversation does not come from the clock."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("c", "a")])
        now_ns = time.time_ns() + jump_s * 10**9
        monkeypatch.setattr(time, "time_ns", lambda: now_ns)
        monkeypatch.setattr(time, "time", lambda: now_ns / 1e9)
        outbox.put([messages("c", "b")])
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("c", "c")])
        assert drained(outbox) == ["a", "b", "c"]


def test_a_damaged_journal(memory: Path) -> None:
    """Of the last commits before a kill, those before the damage are there, whole and in order."""
    killed(PUT_ONE_BY_ONE, memory / "found")
    [journal] = (memory / "found").glob("*-wal")
    content, dice, saved = journal.read_bytes(), random.Random(3), set()
    for number in range(60):
        folder = shutil.copytree(memory / "found", memory / str(number))
        damaged = bytearray(content)
        damaged[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        (folder / journal.name).write_bytes(damaged)
        with closing(Outbox(folder)) as outbox:
            found = drained(outbox)
            assert found == [f"{n:02}" for n in range(len(found))]
            assert counts_add_up(outbox)
        saved.add(len(found))
    assert len(saved) > PUTS / 2


def test_a_file_of_another_version(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It stays as it is, byte for byte, and a person is told of it: whoever wrote it will understand it."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("c", "a")])
    [path] = tmp_path.glob("*.sqlite3")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA user_version=99")
    content = path.read_bytes()
    with closing(Outbox(tmp_path)) as outbox:
        assert drained(outbox) == []
        outbox.put([messages("c", "b")])
    assert path.read_bytes() == content
    assert f"{path} is of another version of greenflash-otel" in caplog.text
