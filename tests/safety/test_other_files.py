"""The outbox stays where it was set, and what is not ours in its folder is nobody's business of ours."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.delivery.processes import line_of, process
from tests.safety.programs import run, run_cli

RECORD = """
import os, sys
import greenflash_otel as greenflash
greenflash.instrument(frameworks=(), outbox={outbox}, shutdown_timeout_s=0.1)
greenflash.record_outcome("one", "1", conversation_id="chat")
{then}
greenflash.record_outcome("two", "1", conversation_id="chat")
print(greenflash.stats().accepted)
"""


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_a_relative_folder_is_where_it_was_when_it_was_set(way: str, tmp_path: Path) -> None:
    """The application changes its directory; nothing appears there, and all is found where it began."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    outbox, folder = ("'outbox'", None) if way == "argument" else ("None", Path("outbox"))
    script = RECORD.format(outbox=outbox, then="os.chdir(sys.argv[1])")
    assert run(script, second, folder=first, outbox=folder, key=None) == "2\n"
    assert list(second.iterdir()) == []
    again = RECORD.format(outbox=outbox, then="")
    assert run(again, folder=first, outbox=folder, key=None) == "4\n"


READ = """
import sqlite3
import greenflash_otel as greenflash
greenflash.instrument(frameworks=(), shutdown_timeout_s=0.1)
greenflash.record_outcome("one", "1", conversation_id="chat")
with sqlite3.connect(greenflash.instrument().settings.outbox + "/db.sqlite3", timeout=0) as db:
    print(db.execute("SELECT count(*) FROM customers").fetchone()[0])
"""


def make_database(folder: Path, name: str) -> bytes:
    """A database of the application's with a hundred customers; its bytes."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / name)) as db, db:
        db.execute("CREATE TABLE customers (name TEXT)")
        db.executemany("INSERT INTO customers VALUES (?)", [(f"customer {n}",) for n in range(100)])
    return (folder / name).read_bytes()


def use(folder: Path) -> None:
    """Instrument, record and read the database meanwhile."""
    assert run(READ, outbox=folder, key=None) == "100\n"


USES: dict[str, Callable[[Path], object]] = {
    "instrument": use,
    "status": lambda folder: run_cli("outbox", "status", outbox=folder),
    "list": lambda folder: run_cli("outbox", "list", outbox=folder),
    "flush": lambda folder: run_cli("outbox", "flush", "--timeout", "1", outbox=folder),
}


@pytest.mark.parametrize("name", USES)
def test_a_database_of_the_application_is_left_alone(name: str, tmp_path: Path) -> None:
    """Byte for byte, and its owner can use it meanwhile."""
    folder = tmp_path / "state"
    before = make_database(folder, "db.sqlite3")
    USES[name](folder)
    assert (folder / "db.sqlite3").read_bytes() == before


def test_a_foreign_database_under_a_name_like_ours_is_left_alone(tmp_path: Path) -> None:
    """A name makes no file ours."""
    folder, name = tmp_path / "state", "00000001764470000123-4711-9f2c1a77.sqlite3"
    before = make_database(folder, name)
    run(RECORD.format(outbox=None, then=""), outbox=folder, key=None)
    run_cli("outbox", "flush", "--timeout", "1", outbox=folder, key=None, code=2)
    run_cli("outbox", "status", outbox=folder)
    assert (folder / name).read_bytes() == before


OTHER = """
import greenflash_otel as greenflash
greenflash.instrument(frameworks=(), outbox=sys.argv[1], product_id=sys.argv[2], shutdown_timeout_s=0.1)
for number in range(20):
    greenflash.record_outcome("other", str(number), conversation_id=f"other-{number % 5}")
print("recorded", flush=True)
sys.stdin.readline()
for number in range(20):
    greenflash.record_outcome("other", str(number), conversation_id=f"other-{number % 5}")
print(greenflash.stats().accepted, flush=True)
"""


def test_the_application_reads_its_own_outbox_file(greenflash_itself: Emulator, tmp_path: Path) -> None:
    """A backup reads the files and closes them: the lease stays, no other process takes the file, all arrives."""
    pipeline = greenflash.instrument(frameworks=(), outbox=tmp_path, product_id=PRODUCT)
    for number in range(20):
        greenflash.record_outcome("before", str(number), conversation_id=f"chat-{number % 5}")
    for file in tmp_path.iterdir():
        file.read_bytes()
    with process(OTHER, tmp_path, PRODUCT) as other:
        assert line_of(other) == "recorded"
        for number in range(60):
            greenflash.record_outcome("after", str(number), conversation_id=f"chat-{number % 5}")
        other.communicate("go on\n", timeout=60)
        assert other.returncode == 0
    assert pipeline.stats().accepted == 80
    assert not pipeline.stats().lost
    greenflash.shutdown(0)
    pipeline = greenflash.instrument(
        frameworks=(),
        outbox=tmp_path,
        product_id=PRODUCT,
        api_key="gf_test",
        base_url=greenflash_itself.base_url,
    )
    assert pipeline.flush(60)
    assert pipeline.stats().delivered == 120
    assert not list(tmp_path.glob("*corrupt*"))


def test_two_threads_that_read_the_files_all_the_time(tmp_path: Path) -> None:
    """Whatever else opens and closes them, every outcome is stored."""
    pipeline = greenflash.instrument(frameworks=(), outbox=tmp_path, product_id=PRODUCT)
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            for file in list(tmp_path.iterdir()):
                if file.is_file():
                    file.read_bytes()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(100):
            greenflash.record_outcome("one", str(number), conversation_id=f"chat-{number % 5}")
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert (pipeline.stats().pending, pipeline.stats().lost) == (100, {})
