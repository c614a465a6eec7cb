"""What the outbox keeps on disk, whatever happens to the process, the file or the folder."""

from __future__ import annotations

import resource
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from greenflash_otel import internal_errors
from greenflash_otel.delivery import writer
from greenflash_otel.delivery.inspector import list_destinations
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.delivery.writer import WRITER, Job
from greenflash_otel.state_record import StateRecord
from tests.collector.running import until
from tests.conftest import PRODUCT
from tests.delivery.conftest import Opening
from tests.delivery.fakes import ids_of, messages, outcome
from tests.delivery.making import outbox_for
from tests.delivery.processes import killed, output_of
from tests.delivery.test_outbox import claimed, counts_add_up, drained

PUT_AND_WAIT = """
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat-42", f"{sys.argv[2]}{i}") for i in range(3)])
outbox.claim_next(0.0)
print("put", flush=True)
sys.stdin.read()
"""


def files_in(folder: Path) -> list[str]:
    """The names of the database files."""
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".sqlite3")


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_it_is_all_there_after_a_restart(tmp_path: Path) -> None:
    """In order and with the same bytes; it counts as accepted and pending, or as set aside, again."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("chat-42", "a", "b"), outcome("chat-42", "o"), messages("bad", "c")])
        outbox.postpone(claimed(outbox), 9e9)
        outbox.reject(claimed(outbox), "HTTP 400", now_s=0.0)
    with closing(Outbox(tmp_path)) as outbox:
        counts = outbox.get_stats()
        assert (counts.accepted, counts.pending, counts.rejected) == (4, 3, 1)
        entry = claimed(outbox)
        assert entry.request == messages("chat-42", "a", "b")
        outbox.acknowledge(entry)
        assert claimed(outbox).request == outcome("chat-42", "o")


def test_an_empty_outbox_leaves_no_file(tmp_path: Path) -> None:
    """Nor does one whose entries were all delivered."""
    with closing(Outbox(tmp_path)):
        pass
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("chat-42", "a")])
        assert drained(outbox) == ["a"]
    assert list(tmp_path.iterdir()) == []


def test_a_journal_whose_file_is_gone_is_removed(opened: Opening, tmp_path: Path) -> None:
    """Its process was killed while it removed both. The journal of a file that was set apart stays."""
    gone_name, apart_name = f"{1:020}-1-{1:08x}.sqlite3", f"{2:020}-2-{2:08x}.sqlite3"
    gone, apart = tmp_path / f"{gone_name}-wal", tmp_path / f"{apart_name}-wal"
    for path in (gone, apart, tmp_path / f"{apart_name}.corrupt-3"):
        path.write_bytes(b"what people said")
    opened(tmp_path)
    assert not gone.exists()
    assert apart.exists()


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    """It holds what people said."""
    folder = tmp_path / "new" / "outbox"
    with closing(Outbox(folder)) as outbox:
        outbox.put([messages("chat-42", "a")])
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_nothing_that_was_put_dies_with_the_process(opened: Opening, tmp_path: Path) -> None:
    """After kill -9 the next process finds all of it, also what was out."""
    killed(PUT_AND_WAIT, tmp_path, "a")
    outbox = opened(tmp_path)
    assert outbox.get_stats().pending == 3
    assert drained(outbox) == ["a0", "a1", "a2"]


def test_several_files_without_owner_become_one(opened: Opening, tmp_path: Path) -> None:
    """All they hold is adopted, the older file's entries first, and what was set aside too."""
    for name in "abc":
        killed(f"folder = sys.argv[1] + '/{name}'\nsys.argv[1] = folder" + PUT_AND_WAIT, tmp_path, name)
        for path in (tmp_path / name).iterdir():
            path.rename(tmp_path / path.name)
    with closing(sqlite3.connect(tmp_path / files_in(tmp_path)[1])) as db, db:
        db.execute(
            "INSERT INTO rejected SELECT 1, 'HTTP 400', 1, kind, path, conversation_id, items, body, checksum"
            " FROM entries LIMIT 1"
        )
    outbox = opened(tmp_path)
    assert len(files_in(tmp_path)) == 1
    assert (outbox.get_stats().pending, outbox.get_stats().rejected) == (9, 1)
    assert drained(outbox) == ["a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2"]


def test_a_file_that_has_an_owner_is_left_alone(opened: Opening, tmp_path: Path) -> None:
    """Two processes of one application share the folder and no file."""
    first, second = opened(tmp_path), opened(tmp_path)
    first.put([messages("chat-42", "a")])
    second.put([messages("chat-42", "b")])
    third = opened(tmp_path)
    assert len(files_in(tmp_path)) == 3
    assert [drained(outbox) for outbox in (first, second, third)] == [["a"], ["b"], []]


def test_a_file_of_a_later_version_is_left_alone(opened: Opening, tmp_path: Path) -> None:
    """Whoever wrote it will understand it."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("chat-42", "a")])
    path = tmp_path / files_in(tmp_path)[0]
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    assert drained(opened(tmp_path)) == []
    assert path.exists()


def test_a_flipped_bit_is_noticed(opened: Opening, tmp_path: Path) -> None:
    """The entry is set aside as corrupt, and the others are delivered."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("chat-42", id) for id in ("first", "second", "third")])
    path = tmp_path / files_in(tmp_path)[0]
    content = path.read_bytes()
    assert content.count(b'"second"') == 1
    path.write_bytes(content.replace(b'"second"', b'"sekond"'))
    outbox = opened(tmp_path)
    assert drained(outbox) == ["first", "third"]
    assert outbox.get_stats().rejected == 1
    assert counts_add_up(outbox)


def without_header(content: bytes) -> bytes:
    """The first bytes are gone."""
    return b"\0" * 100 + content[100:]


def cut_off(content: bytes) -> bytes:
    """The last quarter is gone."""
    return content[: len(content) * 3 // 4]


def with_a_hole(content: bytes) -> bytes:
    """Two pages of some body are gone."""
    return content[:81_920] + b"\0" * 8_192 + content[90_112:]


@pytest.mark.parametrize(("damage", "saved"), [(without_header, 0), (cut_off, 0), (with_a_hole, 28)])
def test_a_damaged_file_is_set_apart(
    damage: Callable[[bytes], bytes], saved: int, opened: Opening, tmp_path: Path
) -> None:
    """A new one is begun, with what can be read; the damaged one stays for a person to look at."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("chat-42", str(i), size=9_000) for i in range(30)])
    path = tmp_path / files_in(tmp_path)[0]
    path.write_bytes(damage(path.read_bytes()))
    outbox = opened(tmp_path)
    found = drained(outbox)
    assert saved <= len(found) < 30
    assert not saved or outbox.get_stats().lost == {"outbox_damaged": 30 - len(found)}
    assert found == sorted(found, key=int)
    assert [True for p in tmp_path.iterdir() if p.name.startswith(f"{path.name}.corrupt-")]
    assert not path.exists()
    outbox.put([messages("chat-42", "new")])
    assert drained(outbox) == ["new"]
    assert counts_add_up(outbox)


def test_damage_is_survived_while_at_work(opened: Opening, tmp_path: Path) -> None:
    """What can still be read goes on in a new file; the rest is counted as lost."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("chat-42", str(i), size=200_000) for i in range(30)])
    outbox = opened(tmp_path)
    path = tmp_path / files_in(tmp_path)[0]
    # By another process: closing a file here would give up all locks that this process holds on it.
    output_of("f = open(sys.argv[1], 'r+b'); f.seek(3_000_000); f.write(bytes(100_000)); f.close()", path)
    saved = drained(outbox)
    assert 27 <= len(saved) < 30
    outbox.put([messages("chat-42", "new")])
    assert drained(outbox) == ["new"]
    # One more where a row could be read and sent, but its damaged pages could not be freed.
    assert 30 - len(saved) <= outbox.get_stats().lost["outbox_damaged"] <= 31 - len(saved)
    assert counts_add_up(outbox)
    assert files_in(tmp_path) != [path.name]


def test_a_folder_that_cannot_be_made_is_replaced_by_memory(opened: Opening, tmp_path: Path) -> None:
    """That is counted, and delivery goes on."""
    (tmp_path / "file").touch()
    step = "use the outbox on disk"
    before = internal_errors.get_internal_errors().get(step, 0)
    outbox = opened(tmp_path / "file" / "outbox")
    outbox.put([messages("chat-42", "a")])
    assert drained(outbox) == ["a"]
    assert internal_errors.get_internal_errors()[step] > before


def test_a_folder_that_cannot_be_written_is_replaced_by_memory() -> None:
    """Nothing raises, not even where an earlier process left a file."""
    script = """
import logging
logging.basicConfig(stream=sys.stdout, format="%(message)s")
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat-42", "a")])
print(outbox.get_stats().pending, len(os.listdir(sys.argv[1])))
outbox.close()
"""
    with tempfile.TemporaryDirectory() as parent:  # tmp_path is closed to all other users
        Path(parent).chmod(0o755)
        folder = Path(parent) / "outbox"
        killed(PUT_AND_WAIT, folder, "a")
        folder.chmod(0o555)
        names = len(list(folder.iterdir()))
        *warnings, last = output_of(script, folder).splitlines()
        assert any("waits in memory" in warning for warning in warnings)
        assert last == f"1 {names}"


def test_a_full_disk_at_the_start(tmp_path: Path) -> None:
    """No file can be begun: the outbox is in memory."""
    with full_disk():
        outbox = Outbox(tmp_path)
        outbox.put([messages("chat-42", "a")])
        assert drained(outbox) == ["a"]
        outbox.close()


def test_a_full_disk_loses_only_what_comes_then(opened: Opening, tmp_path: Path) -> None:
    """It is counted, and what is put when there is room again is kept."""
    outbox = opened(tmp_path)
    outbox.put([messages("chat-42", "a")])
    with full_disk():
        outbox.put([messages("chat-42", "b", "c")])
    outbox.put([messages("chat-42", "d")])
    assert outbox.get_stats().lost == {"outbox_error": 2}
    assert drained(outbox) == ["a", "d"]
    assert counts_add_up(outbox)


def test_a_full_disk_does_not_make_us_send_again(tmp_path: Path) -> None:
    """What was delivered is remembered until it can be deleted."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("chat-42", "a"), messages("chat-42", "b"), messages("chat-42", "c")])
        first = claimed(outbox)
        with full_disk():
            outbox.acknowledge(first)
            second = claimed(outbox)
            assert ids_of(second.request) == ["b"]
            watch = outbox.watch()
            assert watch is not None
            outbox.acknowledge(second)
            last = claimed(outbox)
            outbox.postpone(last, 0.0)
            assert watch.left == 1
        assert drained(outbox) == ["c"]
        assert outbox.get_stats().delivered == 3
        assert watch.left == 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_a_refused_entry_for_later(opened: Opening, tmp_path: Path) -> None:
    """It can neither be set aside nor split, so it rests for a minute and is tried again."""
    outbox = opened(tmp_path)
    outbox.put([messages("chat-42", "a", "b")])
    with full_disk():
        outbox.reject(claimed(outbox), "HTTP 400", now_s=100.0)
        halves = [messages("chat-42", "a"), messages("chat-42", "b")]
        outbox.replace(claimed(outbox, 160.0), halves, now_s=160.0)
    assert outbox.claim_next(219.9) is None
    assert claimed(outbox, 220.0).attempt == 3
    assert outbox.get_stats().pending == 2


def test_many_outboxes_keep_few_files_open(
    opened: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that nothing waits in are closed, the least recently used first, and opened when needed."""
    monkeypatch.setattr(writer, "MOST_OPEN", 4)
    outboxes = [opened(tmp_path / str(n)) for n in range(10)]
    for n, outbox in enumerate(outboxes):
        outbox.put([messages("c", f"{n}a", f"{n}b")], [StateRecord("known", str(n))])
    assert all(outbox.has_open_file() for outbox in outboxes)  # something waits in each
    outboxes[0].reject(claimed(outboxes[0]), "HTTP 400", now_s=0.0)
    for outbox in outboxes[1:]:
        assert len(drained(outbox)) == 2
        WRITER.wait(WRITER.submit(outbox, Job(lambda entries: entries.contents.delete_acknowledged())))
    outboxes[9].hurry()
    assert [n for n, outbox in enumerate(outboxes) if outbox.has_open_file()] == [6, 7, 8, 9]
    assert outboxes[0].get_stats() == Stats(accepted=2, rejected=2)
    assert all(outbox.is_durable() for outbox in outboxes)
    for n, outbox in enumerate(outboxes):
        assert not outbox.put([messages("c", f"{n}c")])
        assert drained(outbox) == [f"{n}c"]
        assert not outbox.recall_inherited("known")  # it is this process that noted it
        assert counts_add_up(outbox)
    assert outboxes[0].get_stats() == Stats(accepted=3, delivered=1, rejected=2)
    assert all(len(files_in(tmp_path / str(n))) == 1 for n in range(10))


def test_a_folder_that_could_not_be_used_at_first_says_whose_it_is(tmp_path: Path) -> None:
    """What is kept in it once it can be used is found by the next process."""
    root = tmp_path / "outbox"
    root.touch()  # in the way
    with closing(outbox_for(root, "https://a.example/api/v1", PRODUCT)) as outbox:
        outbox.put([messages("c", "m")])
        assert not outbox.is_durable()
        root.unlink()
        outbox.put([messages("c", "n")])
        until(lambda: outbox.make_durable(10), "the folder is tried again")
    [(folder, destination)] = list_destinations(root)
    assert destination.base_url == "https://a.example/api/v1"
    with closing(outbox_for(root, "https://a.example/api/v1", PRODUCT)) as outbox:
        assert outbox.folder == folder
        outbox.adopt()
        assert outbox.get_stats().pending == 2
