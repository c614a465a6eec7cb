"""A file that came to harm: whatever bytes are wrong, what can be read goes out, and the rest is counted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.delivery import files
from greenflash_otel.delivery.outbox import Outbox
from tests.delivery.fakes import messages, outcome
from tests.delivery.test_outbox import counts_add_up, drained
from tests.delivery.test_outbox_disk import files_in

NAME = f"{1:020}-1-{1:08x}.sqlite3"
PAGE_BYTES = 4096
REQUESTS = 40

Damage = Callable[[bytearray, int, random.Random], bytes]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with entries of all sizes in a few conversations."""
    folder = tmp_path_factory.mktemp("sound")
    with closing(Outbox(folder)) as outbox:
        for n in range(REQUESTS):
            outbox.put([messages(f"chat-{n % 7}", f"m{n}", size=n * 150), outcome(f"chat-{n % 7}", f"o{n}")])
    return (folder / files_in(folder)[0]).read_bytes()


def hole(content: bytearray, at: int, dice: random.Random) -> bytes:
    """A page is gone."""
    return bytes(content[:at] + bytes(PAGE_BYTES) + content[at + PAGE_BYTES :])


def sector(content: bytearray, at: int, dice: random.Random) -> bytes:
    """The first sector of a page is gone."""
    return bytes(content[:at] + bytes(512) + content[at + 512 :])


def flipped(content: bytearray, at: int, dice: random.Random) -> bytes:
    """A bit anywhere in a page is another one."""
    content[at + dice.randrange(PAGE_BYTES)] ^= 1 << dice.randrange(8)
    return bytes(content)


def flipped_head(content: bytearray, at: int, dice: random.Random) -> bytes:
    """A bit of what says how the page is used is another one."""
    content[at + dice.randrange(16)] ^= 1 << dice.randrange(8)
    return bytes(content)


def misplaced(content: bytearray, at: int, dice: random.Random) -> bytes:
    """A page stands where another belongs."""
    other = PAGE_BYTES * dice.randrange(len(content) // PAGE_BYTES)
    return bytes(content[:at] + content[other : other + PAGE_BYTES] + content[at + PAGE_BYTES :])


def cut(content: bytearray, at: int, dice: random.Random) -> bytes:
    """The file ends here."""
    return bytes(content[:at])


def damaged(sound: bytes, damage: Damage) -> Iterator[bytes]:
    """The file, damaged at each of its pages."""
    dice = random.Random(5)
    for at in range(0, len(sound), PAGE_BYTES):
        yield damage(bytearray(sound), at, dice)


@pytest.mark.parametrize("damage", [hole, sector, flipped, flipped_head, misplaced, cut])
def test_damage_anywhere(damage: Damage, sound: bytes, memory: Path) -> None:
    """It never raises, nothing stays stuck, and of what a file still tells of, all is accounted for."""
    for number, content in enumerate(damaged(sound, damage)):
        folder = memory / str(number)
        folder.mkdir()
        (folder / NAME).write_bytes(content)
        (folder / f"{NAME}.lock").write_bytes(files._MARK)
        with closing(Outbox(folder)) as outbox:
            drained(outbox)
            counts = outbox.get_stats()
            assert counts.pending == 0, (number, counts)
            assert counts_add_up(outbox)
            if number > 0 and damage is not cut:  # the first page says where the others are
                assert counts.accepted >= 2 * REQUESTS, (number, counts)


def test_a_bit_that_makes_text_unreadable(tmp_path: Path) -> None:
    """The entry is set aside, and what follows it in its conversation goes out."""
    with closing(Outbox(tmp_path)) as outbox:
        outbox.put([messages("chat-42", "a"), outcome("chat-42", "b")])
    path = tmp_path / files_in(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b"messages/messages", b"messa\xffes/messages"))
    with closing(Outbox(tmp_path)) as outbox:
        assert drained(outbox) == ["b"]
        assert outbox.get_stats().rejected == 1
