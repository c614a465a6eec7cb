"""Locks, private files, forks and signals, as this platform really does them."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from greenflash_otel import platform_support
from greenflash_otel.platform_support import (
    create_private_file,
    is_private_file,
    lock_file,
    own_private_folder,
    sync_folder,
)

SOMEBODY_ELSE = 54_321
"""A user id that is not ours."""

needs_fork = pytest.mark.skipif(not platform_support.can_fork(), reason="this platform has no fork")
needs_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can give files to others"
)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "outbox.lock"


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def is_locked(path: Path) -> bool:
    """Whether somebody has the lease; asked without taking it for longer than that."""
    handle = lock_file(path)
    if handle is None:
        return True
    handle.release(remove=False)
    return False


@contextlib.contextmanager
def running(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process, once it has said its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert read_line(process.stdout) == "ready"
            yield process
        finally:
            process.kill()


def read_line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


HOLDS_THE_LOCK = """
import sys
from pathlib import Path
from greenflash_otel.platform_support import lock_file
handle = lock_file(Path(sys.argv[1]))
assert handle is not None
print("ready", flush=True)
sys.stdin.read()
"""


# Locks


def test_a_lease_has_one_owner_at_a_time(lock: Path) -> None:
    first = lock_file(lock)
    assert first is not None
    assert lock_file(lock) is None
    first.release(remove=False)
    assert not is_locked(lock)
    assert lock.exists()


def test_another_process_has_the_lease_until_it_is_killed(lock: Path) -> None:
    with running(HOLDS_THE_LOCK, lock) as owner:
        assert is_locked(lock)
        owner.kill()
        owner.wait()
        assert not is_locked(lock)


def test_the_lease_outlives_other_descriptors_of_its_file(lock: Path) -> None:
    """An application that reads the folder, as backups do, must not end it."""
    program = HOLDS_THE_LOCK.replace("print", "open(sys.argv[1]).close()\nprint")
    with running(program, lock):
        assert is_locked(lock)


def test_programs_that_the_owner_starts_do_not_inherit_the_lease(lock: Path) -> None:
    handle = lock_file(lock)
    assert handle is not None
    with running("print('ready', flush=True); import sys; sys.stdin.read()"):
        handle.release(remove=False)
        assert not is_locked(lock)


def test_a_removed_lock_file_is_noticed_by_whoever_opened_it_before(lock: Path) -> None:
    """The last owner removes it; the next one must not lock a file that no longer has a name."""
    first = lock_file(lock)
    assert first is not None
    first.release(remove=True)
    assert not lock.exists()
    second = lock_file(lock)
    assert second is not None
    assert second.is_valid()
    lock.unlink()
    assert not second.is_valid()
    third = lock_file(lock)
    assert third is not None
    second.release(remove=True)
    assert third.is_valid(), "an owner without a name must not remove the file of the next"
    third.release(remove=True)


REMOVED_BEFORE_IT_IS_LOCKED = """
import os, sys
from pathlib import Path
from greenflash_otel.platform_support import lock_file
path, seen = Path(sys.argv[1]), []
def last_owner_removes_it(event, arguments):
    if event == "fcntl.flock" and not seen:
        seen.append(event)
        path.unlink()
sys.addaudithook(last_owner_removes_it)
handle = lock_file(path)
print(len(seen), handle.is_valid(), lock_file(path))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no open file can be removed there")
def test_a_file_that_is_removed_between_opening_and_locking_is_not_locked(lock: Path) -> None:
    arguments = [sys.executable, "-c", REMOVED_BEFORE_IT_IS_LOCKED, str(lock)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True", "None"]


def test_threads_that_take_and_remove_the_same_lease_never_have_it_at_once(lock: Path) -> None:
    owners: list[int] = []
    overlaps: list[int] = []

    def take_often() -> None:
        for _ in range(300):
            handle = lock_file(lock)
            if handle is not None:
                owners.append(1)
                overlaps.extend([1] if len(owners) > 1 else [])
                owners.pop()
                handle.release(remove=True)

    threads = [threading.Thread(target=take_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not overlaps
    assert not is_locked(lock)


def test_releasing_twice_does_nothing(lock: Path, tmp_path: Path) -> None:
    first = lock_file(lock)
    assert first is not None
    first.release(remove=False)
    second = lock_file(lock)  # likely under the same descriptor
    first.release(remove=True)
    first.close_in_child()
    assert second is not None
    assert second.is_valid()
    assert not first.is_valid()
    second.release(remove=True)


FORKS = """
import os, sys, time
from pathlib import Path
from greenflash_otel.platform_support import lock_file
handle = lock_file(Path(sys.argv[1]))
assert handle is not None
if os.fork() == 0:
    handle.{what}
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
time.sleep(60)
"""


@needs_fork
@pytest.mark.parametrize("what", ["close_in_child()", "release(remove=True)"])
def test_a_forked_child_neither_ends_nor_prolongs_the_lease(lock: Path, what: str) -> None:
    with running(FORKS.format(what=what), lock) as parent:
        assert lock.exists()
        assert is_locked(lock), "the child must not end it while its parent lives"
        parent.kill()
        parent.wait()
        assert not is_locked(lock), "the child lives on, and must not have it"


@needs_fork
def test_a_release_reaches_copies_in_children(lock: Path) -> None:
    """Of a child that was forked in C, and so ran no hook of ours."""
    handle = lock_file(lock)
    assert handle is not None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    handle.release(remove=False)
    free = not is_locked(lock)
    os.close(writing)
    os.waitpid(child, 0)
    assert free


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_or_a_folder_in_place_of_the_lock_file_is_an_error(lock: Path, tmp_path: Path) -> None:
    (tmp_path / "target").touch(0o600)
    lock.symlink_to(tmp_path / "target")
    with pytest.raises(OSError):
        lock_file(lock)
    lock.unlink()
    lock.mkdir()
    with pytest.raises(OSError):
        lock_file(lock)
    lock.rmdir()
    os.mkfifo(lock)
    with pytest.raises(PermissionError):
        lock_file(lock)


@needs_root
def test_the_lock_file_of_somebody_else_is_an_error(lock: Path) -> None:
    lock.touch(0o600)
    os.chown(lock, SOMEBODY_ELSE, SOMEBODY_ELSE)
    with pytest.raises(PermissionError, match="not a private file"):
        lock_file(lock)


# Private files


@pytest.mark.skipif(sys.platform == "win32", reason="access lists decide there, not modes")
@pytest.mark.parametrize("mask", [0, 0o022, 0o377, 0o777])
def test_no_umask_decides_who_may_read(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "state" / "outbox"
    with umask(mask):
        own_private_folder(folder)
        create_private_file(folder / "destination.json", b"{}")
        handle = lock_file(folder / "outbox.lock")
    assert handle is not None
    handle.release(remove=False)
    assert [mode_of(path) for path in (folder.parent, folder)] == [0o700, 0o700]
    assert [mode_of(path) for path in sorted(folder.iterdir())] == [0o600, 0o600]
    assert (folder / "destination.json").read_bytes() == b"{}"


def test_a_folder_of_ours_is_accepted_again(tmp_path: Path) -> None:
    own_private_folder(tmp_path / "outbox")
    own_private_folder(tmp_path / "outbox")
    assert (tmp_path / "outbox").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="access lists decide there, not modes")
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_to_is_not_accepted_or_changed(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(PermissionError, match="others may write"):
        own_private_folder(tmp_path)
    assert mode_of(tmp_path) == mode
    own_private_folder(tmp_path / "outbox")  # a new one in it is


@needs_root
def test_a_folder_of_somebody_else_is_not_accepted(tmp_path: Path) -> None:
    own_private_folder(tmp_path / "outbox")
    os.chown(tmp_path / "outbox", SOMEBODY_ELSE, SOMEBODY_ELSE)
    with pytest.raises(PermissionError, match="belongs to another user"):
        own_private_folder(tmp_path / "outbox")


def test_what_is_no_folder_is_not_accepted(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").touch()
    for name in ("link", "dangling", "file"):
        with pytest.raises(NotADirectoryError):
            own_private_folder(tmp_path / name)
    with pytest.raises(OSError):
        own_private_folder(tmp_path / "file" / "below")


def test_only_a_regular_file_of_ours_is_private(tmp_path: Path) -> None:
    create_private_file(tmp_path / "ours")
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    (tmp_path / "folder").mkdir(0o700)
    found = {
        name: is_private_file(tmp_path / name) for name in ("ours", "link", "folder", "nothing", "ours/below")
    }
    assert found == {"ours": True, "link": False, "folder": False, "nothing": False, "ours/below": False}


@pytest.mark.skipif(sys.platform == "win32", reason="access lists decide there, not modes")
@pytest.mark.parametrize(("mode", "private"), [(0o600, True), (0o644, True), (0o620, False), (0o602, False)])
def test_a_file_that_others_may_write_to_is_not_private(tmp_path: Path, mode: int, private: bool) -> None:
    create_private_file(tmp_path / "file")
    (tmp_path / "file").chmod(mode)
    assert is_private_file(tmp_path / "file") is private


@needs_root
def test_a_file_of_somebody_else_is_not_private(tmp_path: Path) -> None:
    create_private_file(tmp_path / "file")
    os.chown(tmp_path / "file", SOMEBODY_ELSE, -1)
    assert not is_private_file(tmp_path / "file")


def test_creating_overwrites_nothing_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("keep")
    (tmp_path / "link").symlink_to(tmp_path / "planted")
    for name in ("theirs", "link"):
        with pytest.raises(FileExistsError):
            create_private_file(tmp_path / name, b"ours")
    assert (tmp_path / "theirs").read_text() == "keep"
    assert not (tmp_path / "planted").exists()


def test_a_file_that_cannot_be_written_is_not_left_behind(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("no limit on the size of files there")
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from greenflash_otel.platform_support import create_private_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))\n"
        "try: create_private_file(Path(sys.argv[1]), b'x' * 2_000)\n"
        "except OSError: print('failed')\n"
    )
    arguments = [sys.executable, "-B", "-c", program, str(tmp_path / "file")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "failed"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_can_be_synced_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    if sys.platform != "win32":
        with pytest.raises(FileNotFoundError):
            sync_folder(tmp_path / "nothing")


# Forks, threads and signals


@needs_fork
def test_hooks_are_called_around_a_fork() -> None:
    program = (
        "import os; from greenflash_otel.platform_support import register_at_fork\n"
        "register_at_fork(before=lambda: print('before', flush=True))\n"
        "register_at_fork(after_in_parent=lambda: None, after_in_child=lambda: print('child', flush=True))\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["before", "child"]


def test_only_the_main_thread_is_the_main_thread() -> None:
    program = (
        "import os, threading\n"
        "from greenflash_otel.platform_support import is_main_thread\n"
        "found = [is_main_thread()]\n"
        "thread = threading.Thread(target=lambda: found.append(is_main_thread()))\n"
        "thread.start(); thread.join()\n"
        "def fork():\n"
        "    if os.fork() == 0: os._exit(is_main_thread())\n"
        "    found.append(os.waitstatus_to_exitcode(os.wait()[1]) == 1)\n"
        "if hasattr(os, 'fork'):\n"
        "    thread = threading.Thread(target=fork)\n"
        "    thread.start(); thread.join()\n"
        "print(*found)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    expected = ["True", "False", "True"] if platform_support.can_fork() else ["True", "False"]
    assert done.stdout.split() == expected


def test_the_default_of_sigterm_ends_the_process_with_its_status() -> None:
    program = (
        "import signal, sys; from greenflash_otel.platform_support import raise_default\n"
        "def on_sigterm(number, frame):\n"
        "    print('handled', flush=True)\n"
        "    raise_default(number)\n"
        "signal.signal(signal.SIGTERM, on_sigterm)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with running(program) as process:
        process.terminate()
        assert process.wait(30) == (1 if sys.platform == "win32" else -signal.SIGTERM)
        if sys.platform != "win32":
            assert read_line(process.stdout) == "handled"
