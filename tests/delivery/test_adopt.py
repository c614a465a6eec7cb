"""What processes leave that end while another one runs: it takes that over, and nothing else."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from greenflash_otel.delivery import files
from greenflash_otel.delivery.outbox import Outbox
from tests.delivery.conftest import Opening
from tests.delivery.fakes import ids_of, messages
from tests.delivery.processes import killed, line_of, process
from tests.delivery.test_outbox import claimed, counts_add_up, drained
from tests.delivery.test_outbox_disk import PUT_AND_WAIT, files_in, full_disk


def test_of_a_killed_process_everything_is_taken(opened: Opening, tmp_path: Path) -> None:
    """Also what was out when it was killed; counted as accepted here, and its file is gone."""
    mine = opened(tmp_path)
    killed(PUT_AND_WAIT, tmp_path, "k")
    assert len(files_in(tmp_path)) == 2
    mine.adopt()
    assert len(files_in(tmp_path)) == 1
    assert mine.get_stats().accepted == 3
    assert drained(mine) == ["k0", "k1", "k2"]
    assert counts_add_up(mine)


def test_of_a_running_process_nothing_is_taken(opened: Opening, tmp_path: Path) -> None:
    """Until it is killed."""
    mine = opened(tmp_path)
    with process(PUT_AND_WAIT, tmp_path, "k") as running:
        assert line_of(running)
        mine.adopt()
        assert mine.get_stats().accepted == 0
    mine.adopt()
    assert mine.get_stats().accepted == 3


def test_what_is_taken_comes_behind_what_is_here(opened: Opening, tmp_path: Path) -> None:
    """And what is out here stays out: one request of a conversation at a time."""
    mine = opened(tmp_path)
    mine.put([messages("chat-42", "a"), messages("chat-42", "b")])
    out = claimed(mine)
    killed(PUT_AND_WAIT, tmp_path, "k")
    mine.adopt()
    assert mine.claim_next(0.0) is None
    mine.acknowledge(out)
    mine.put([messages("chat-42", "c")])
    assert drained(mine) == ["b", "k0", "k1", "k2", "c"]


def test_a_wait_that_was_asked_for_is_kept(opened: Opening, tmp_path: Path) -> None:
    """What is taken over of a conversation that waits, waits too."""
    mine = opened(tmp_path)
    mine.put([messages("chat-42", "a")])
    mine.postpone(claimed(mine), 60.0)
    killed(PUT_AND_WAIT, tmp_path, "k")
    mine.adopt()
    assert mine.claim_next(59.0) is None
    assert ids_of(claimed(mine, 60.0).request) == ["a"]


def test_several_are_taken_the_oldest_first(opened: Opening, tmp_path: Path) -> None:
    """With what they had set aside, and not a second time."""
    mine = opened(tmp_path)
    for name in "xyz":
        killed(PUT_AND_WAIT, tmp_path, name)
        if name == "x":
            with closing(Outbox(tmp_path)) as between:
                between.reject(claimed(between), "HTTP 400", now_s=0.0)
    mine.adopt()
    mine.adopt()
    assert (mine.get_stats().pending, mine.get_stats().rejected) == (8, 1)
    assert drained(mine) == ["x1", "x2", "y0", "y1", "y2", "z0", "z1", "z2"]


def test_a_full_disk_leaves_it_where_it_is(opened: Opening, tmp_path: Path) -> None:
    """Nothing is lost or counted; it is taken when there is room."""
    mine = opened(tmp_path)
    mine.put([messages("chat-42", "a")])
    killed(PUT_AND_WAIT, tmp_path, "k")
    with full_disk():
        mine.adopt()
        assert mine.get_stats().accepted == 1
    assert len(files_in(tmp_path)) == 2
    mine.adopt()
    assert mine.get_stats().accepted == 4
    assert counts_add_up(mine)


def test_what_is_delivered_and_could_not_be_removed_is_not_taken_for_new(
    opened: Opening, tmp_path: Path
) -> None:
    """It lies in our own file still."""
    mine = opened(tmp_path)
    mine.put([messages("chat-42", "a")])
    with full_disk():
        mine.acknowledge(claimed(mine))
    killed(PUT_AND_WAIT, tmp_path, "k")
    mine.adopt()
    counts = mine.get_stats()
    assert (counts.accepted, counts.delivered, counts.pending) == (4, 1, 3)
    assert drained(mine) == ["k0", "k1", "k2"]


@pytest.mark.parametrize("kept", [b"", b"this is no database" * 100])
def test_a_file_that_is_none_stops_nobody(kept: bytes, opened: Opening, tmp_path: Path) -> None:
    """A file that we did not make stays as it is, whatever its name."""
    mine = opened(tmp_path)
    foreign = tmp_path / f"{1:020}-1-{1:08x}.sqlite3"
    foreign.write_bytes(kept)
    killed(PUT_AND_WAIT, tmp_path, "k")
    mine.adopt()
    assert drained(mine) == ["k0", "k1", "k2"]
    assert foreign.read_bytes() == kept
    assert files.count_corrupt(tmp_path) == 0


def test_in_memory_there_is_nothing_to_take(outbox: Outbox) -> None:
    """Nor when it is closed."""
    outbox.put([messages("chat-42", "a")])
    outbox.adopt()
    assert outbox.get_stats().accepted == 1
    outbox.close()
    outbox.adopt()


def test_two_that_look_at_once_share_what_they_find(tmp_path: Path) -> None:
    """Each file goes to one of them."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(Outbox(tmp_path))) for _ in range(2))
        for name in "xyz":
            killed(PUT_AND_WAIT, tmp_path, name)
        first.adopt()
        second.adopt()
        assert first.get_stats().accepted + second.get_stats().accepted == 9


def test_the_room_to_split_in_is_not_for_what_others_left(tmp_path: Path) -> None:
    """What would go beyond the budget stays where it is, until there is room for it."""
    limit_bytes = 220_000
    other = Outbox(tmp_path / "elsewhere", limit_bytes=limit_bytes)
    other.put([messages(f"left {n}", f"left{n}", size=13_000) for n in range(4)])
    other.close()
    with closing(Outbox(tmp_path, limit_bytes=limit_bytes)) as mine:
        put = [messages(f"c{n}", f"m{n}", size=13_000) for n in range(11)]
        assert mine.put(put) == []
        for path in (tmp_path / "elsewhere").iterdir():
            path.rename(tmp_path / path.name)
        mine.adopt()
        assert (mine.get_stats().pending, len(files.find_files(tmp_path, "ours"))) == (11, 2)
        assert len(drained(mine)) == 11
        mine.adopt()
        assert drained(mine) == ["left0", "left1", "left2", "left3"]
