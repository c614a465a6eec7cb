"""What differs between platforms: file locks, private files, directory sync, fork and signals.

Nothing else in the package asks which platform it runs on. Three rules make it work on each:

- A lock has a file of its own, and belongs to the opened file (`flock`, Windows' locks). The `fcntl` locks of
  POSIX end when the process closes any descriptor of the file: a backup that reads it would end the lease.
- Permissions are set after creating, so that no umask decides who may read.
- Where a platform lacks something (fork and directory sync on Windows), the function does nothing.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PRIVATE_FOLDER_MODE: Final = 0o700
PRIVATE_FILE_MODE: Final = 0o600

_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OPEN: Final = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Python adds close-on-exec (on Windows: not inheritable) to everything it opens."""
_LOCK_ATTEMPTS: Final = 10
"""How often a lock file may vanish between opening and locking before that is an error."""
_CANNOT_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})
"""What file systems answer that know no sync of a directory, some network ones among them."""


@dataclass(slots=True)
class LockedHandle:
    """An exclusive lease on a lock file. It lasts until `release`, or until the process ends in any way."""

    path: Path
    _descriptor: int
    _pid: int = field(default_factory=os.getpid)

    def is_valid(self) -> bool:
        """Return whether the path still names the locked file; False once somebody removed or replaced it."""
        return self._descriptor >= 0 and _does_name(self.path, self._descriptor)

    def release(self, *, remove: bool) -> None:
        """End the lease; calling it again does nothing.

        In a forked child this only closes the child's copy: the lease is its parent's.

        Args:
            remove: Delete the lock file too. Whoever waits for it notices and creates a new one.
        """
        if self._pid != os.getpid():
            self.close_in_child()
            return
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            if remove and sys.platform != "win32" and _does_name(self.path, descriptor):
                self.path.unlink(missing_ok=True)  # while it is locked, so that nobody locks it in between
            _unlock(descriptor)
        finally:
            os.close(descriptor)
        if remove and sys.platform == "win32":
            _remove_closed_file(self.path)

    def close_in_child(self) -> None:
        """Close a forked child's copy. The parent keeps its lease, and the child does not prolong it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def lock_file(path: Path) -> LockedHandle | None:
    """Take the lease on a lock file, creating the file if needed; None if it is taken. Never waits.

    Its owner may be another process, or another caller in this one. Do not use a file that contains data.

    Raises:
        OSError: The file cannot be created or locked, or is not a private file of this user.
    """
    for _ in range(_LOCK_ATTEMPTS):
        descriptor = _open_lock_file(path)
        if descriptor is None:
            continue
        try:
            if not _try_lock(descriptor):
                os.close(descriptor)
                return None
            if _does_name(path, descriptor):
                return LockedHandle(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last owner removed it while we opened it
    raise OSError(errno.EBUSY, "the lock file keeps being replaced", str(path))


def own_private_folder(path: Path) -> None:
    """Create a folder, with its missing parents, that only this user can use; or check that it is one.

    A symbolic link is not accepted in its place, and neither is a folder of another user or one that others
    may write to: files planted there would be sent with this user's key. On Windows only the type is checked;
    there the access list of the folder above decides.

    Raises:
        OSError: It cannot be created, or is no such folder.
    """
    missing = [each for each in (path, *path.parents) if not os.path.lexists(each)]
    for folder in reversed(missing):
        _create_folder(folder)
    _check_folder(path)


def is_private_file(path: Path) -> bool:
    """Return whether a path names a regular file of this user that no other user may write to.

    Only the file itself is looked at, never the target of a link. Hard links are accepted: backups make them,
    and in a private folder no other user can.
    """
    try:
        file_stat = path.lstat()
    except OSError:
        return False
    return _is_private(file_stat)


def create_private_file(path: Path, content: bytes = b"") -> None:
    """Create a file that only this user can read and write, with its content on disk before this returns.

    Raises:
        FileExistsError: Something has that name, even if it is a link to nowhere.
        OSError: It cannot be created or written; nothing is left behind then.
    """
    descriptor = _create(path)
    try:
        try:
            written = 0
            while written < len(content):
                written += os.write(descriptor, content[written:])
            _sync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Put the names in a folder on disk, so that no power cut takes back a file that was created or renamed.

    Does nothing on Windows, where directories cannot be synced, and on file systems that do not support it.

    Raises:
        OSError: The folder cannot be opened or synced.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


def can_fork() -> bool:
    """Return whether processes can fork on this platform."""
    return hasattr(os, "fork")


def register_at_fork(
    *,
    before: Callable[[], object] | None = None,
    after_in_parent: Callable[[], object] | None = None,
    after_in_child: Callable[[], object] | None = None,
) -> None:
    """Call functions around each fork, for as long as the process lives; does nothing without fork.

    Python cannot take a hook back. So register once for each module, not for each object.
    """
    if sys.platform == "win32" or not hasattr(os, "register_at_fork"):
        return
    hooks = {"before": before, "after_in_parent": after_in_parent, "after_in_child": after_in_child}
    os.register_at_fork(**{name: hook for name, hook in hooks.items() if hook is not None})


def has_screen() -> bool:
    """Return whether a browser can show a page here; without a screen only browsers that take the terminal would."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def is_main_thread() -> bool:
    """Return whether this is the thread that receives signals and may set their handlers.

    On Linux we ask the kernel: under gevent each greenlet has its own `threading` identity, although all of them
    run in the main thread.
    """
    if sys.platform == "linux":
        return threading.get_native_id() == os.getpid()
    return threading.get_ident() == threading.main_thread().ident


def raise_default(number: int) -> None:
    """Let a signal do what it does without a handler: for SIGTERM, end this process with that status.

    Call it on the main thread. It returns only if the default is to ignore the signal, or in process 1 of a
    container. Linux protects that from signals that it does not handle.
    """
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _remove_closed_file(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            return  # somebody opened it meanwhile, and Windows deletes no open file: it is theirs now

    def _set_mode(descriptor: int, mode: int) -> None:
        """Do nothing: access lists decide, not modes."""

    def _is_of_this_user(file_stat: os.stat_result) -> bool:
        return True

    def _sync(descriptor: int) -> None:
        os.fsync(descriptor)

else:

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone leaves it to copies in forked children

    def _remove_closed_file(path: Path) -> None:
        path.unlink(missing_ok=True)

    def _set_mode(descriptor: int, mode: int) -> None:
        os.fchmod(descriptor, mode)

    def _is_of_this_user(file_stat: os.stat_result) -> bool:
        return file_stat.st_uid == os.geteuid() and not file_stat.st_mode & _OTHERS_MAY_WRITE

    def _sync(descriptor: int) -> None:
        if sys.platform == "darwin":  # there fsync leaves the data in the drive's cache
            try:
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            except OSError:  # a network file system
                os.fsync(descriptor)
        else:
            os.fsync(descriptor)


def _open_lock_file(path: Path) -> int | None:
    """Open a lock file, new or not; None if it vanished meanwhile."""
    try:
        return _create(path)
    except FileExistsError:
        pass
    try:
        descriptor = os.open(path, _OPEN | getattr(os, "O_NONBLOCK", 0))  # a pipe must not make us wait
    except FileNotFoundError:
        return None
    if not _is_private(os.fstat(descriptor)):
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "this lock file is not a private file of this user", str(path))
    return descriptor


def _create(path: Path) -> int:
    descriptor = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    try:
        _set_mode(descriptor, PRIVATE_FILE_MODE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _does_name(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):  # or a file stands where its folder was
        return False


def _is_private(file_stat: os.stat_result) -> bool:
    return stat.S_ISREG(file_stat.st_mode) and _is_of_this_user(file_stat)


def _create_folder(path: Path) -> None:
    try:
        path.mkdir(PRIVATE_FOLDER_MODE)
    except FileExistsError:  # another process was quicker; the check follows
        return
    if sys.platform != "win32":
        path.chmod(PRIVATE_FOLDER_MODE)
    sync_folder(path.parent)


def _check_folder(path: Path) -> None:
    folder_stat = path.lstat()
    if stat.S_ISLNK(folder_stat.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "this is a symbolic link; name the folder itself", str(path))
    if not stat.S_ISDIR(folder_stat.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "this is not a folder", str(path))
    if not _is_of_this_user(folder_stat):
        raise PermissionError(
            errno.EPERM,
            "this folder belongs to another user or others may write to it; "
            "name one that does not exist yet, or give it to this user alone (chown, chmod 700)",
            str(path),
        )
