"""Disks that refuse: nothing is taken for kept that is not, and all goes on when the trouble is over."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.greenflash_api.splitting import split
from tests.delivery.fakes import messages
from tests.delivery.processes import output_of
from tests.delivery.test_outbox import claimed, drained

REFUSED = """
import errno, json, threading
from greenflash_otel.delivery import writer
from tests.delivery.test_outbox import counts_add_up, drained
from tests.faults.refusing import refuse_in_this_thread
writer.start_thread = lambda *_: False  # so that who waits does the work, and meets the refusal
outbox = Outbox(sys.argv[1])
outbox.put([messages("c", "before")])
refused = []
def try_it():
    refuse_in_this_thread(getattr(errno, sys.argv[2]), *sys.argv[3].split())
    given_back = [request for n in range(3) for request in outbox.put([messages("c", f"during{n}")])]
    refused.extend(id for request in given_back for id in ids_of(request))
thread = threading.Thread(target=try_it)
thread.start()
thread.join()
outbox.put([messages("c", "after")])
there = drained(outbox)
lost = sum(outbox.get_stats().lost.values())
adds_up = counts_add_up(outbox)
outbox.close()
print(json.dumps([refused, there, lost, adds_up, os.listdir(sys.argv[1])]))
"""


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        pytest.param("EIO", "fdatasync fsync", id="syncing fails"),
        pytest.param("EIO", "pwrite64", id="writing fails"),
        pytest.param("ENOSPC", "pwrite64", id="no space is left"),
        pytest.param("EDQUOT", "pwrite64", id="the quota is used up"),
    ],
)
def test_a_disk_that_refuses(error: str, calls: str, tmp_path: Path) -> None:
    """What could not be written down is given back and counted; before and after, everything is kept."""
    refused, there, lost, adds_up, left = json.loads(output_of(REFUSED, tmp_path, error, calls))
    assert refused == ["during0", "during1", "during2"]
    assert lost == 3
    assert [id for id in there if not id.startswith("during")] == ["before", "after"]
    assert adds_up
    assert left == []


def test_a_folder_that_is_removed(tmp_path: Path) -> None:
    """By a person, or a cleaner of temporary files: with the next request, all that waited is kept again."""
    with closing(Outbox(tmp_path / "outbox")) as outbox:
        outbox.put([messages("c", "first"), messages("c", "second"), messages("d", "other")])
        out = claimed(outbox)
        shutil.rmtree(tmp_path / "outbox")
        outbox.put([messages("c", "third")])
        outbox.acknowledge(out)  # of the file that is gone: it is sent again, which is harmless
        assert outbox.get_stats() == Stats(accepted=4, pending=4)
        on_disk = tmp_path / "copy"
        shutil.copytree(tmp_path / "outbox", on_disk)
        assert sorted(drained(outbox)) == ["first", "other", "second", "third"]
        assert outbox.get_stats() == Stats(accepted=4, delivered=4)
    with closing(Outbox(on_disk)) as outbox:
        assert [id for id in drained(outbox) if id != "other"] == ["first", "second", "third"]


def test_a_folder_that_cannot_be_made_again(tmp_path: Path) -> None:
    """What waited, waits in memory."""
    folder = tmp_path / "outbox"
    with closing(Outbox(folder)) as outbox:
        outbox.put([messages("c", "first")])
        shutil.rmtree(folder)
        folder.write_text("in the way")
        outbox.put([messages("c", "second")])
        assert drained(outbox) == ["first", "second"]
        assert outbox.get_stats() == Stats(accepted=2, delivered=2)


def test_an_outbox_full_of_what_is_refused(memory: Path) -> None:
    """Taken over until nothing more fits, it can still be split and set aside, and so makes room."""
    folder, limit_bytes = memory / "outbox", 200_000
    with closing(Outbox(folder, limit_bytes=limit_bytes)) as outbox:
        for number in range(90):
            size = 9_000 if number < 15 else 0 if number < 80 else 2_000
            with closing(Outbox(memory / "other", limit_bytes=limit_bytes)) as other:
                other.put([messages(f"chat-{number}", f"{number}a", f"{number}b", size=size)])
            for path in (memory / "other").iterdir():
                path.rename(folder / path.name)
            outbox.adopt()
        assert len(list(folder.glob("*.sqlite3"))) > 2  # some found no room
        assert 40 < outbox.get_stats().pending < 180
        while (entry := outbox.claim_next(0.0)) is not None:
            if entry.request.items > 1:
                outbox.replace(entry, split(entry.request), now_s=0.0)
            else:
                outbox.reject(entry, "HTTP 400", now_s=0.0)
        assert outbox.get_stats().pending == 0
