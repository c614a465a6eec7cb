"""Watches a function in a child process at every system call that changes a file, and may end it there.

Needs nothing but Linux and Python: `ptrace` is called through `ctypes`.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import platform
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NUMBERS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "write": 1, "pwrite64": 18, "ftruncate": 77, "fsync": 74, "fdatasync": 75, "openat": 257, "open": 2,
        "rename": 82, "unlink": 87, "mkdir": 83,
    },
    "aarch64": {
        "write": 64, "pwrite64": 68, "ftruncate": 46, "fsync": 82, "fdatasync": 83, "openat": 56,
        "renameat": 38, "unlinkat": 35, "mkdirat": 34,
    },
}  # fmt: skip
NUMBERS: Final = _NUMBERS.get(platform.machine(), {})
"""Of the system calls that change files, by name, on this machine."""
IS_POSSIBLE: Final = sys.platform == "linux" and bool(NUMBERS)

_NAMES: Final = {number: name.removesuffix("at") for name, number in NUMBERS.items()}
_TRACEME, _CONT_TO_CALL, _SETOPTIONS, _CALL_INFO = 0, 24, 0x4200, 0x420E
_TELL_CALLS_APART, _KILL_WITH_TRACER = 1, 0x100000
_ENTRY: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long
_PATH_BYTES: Final = 4096
_CURRENT_DIRECTORY: Final = -100


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that is about to happen."""

    name: str
    """Without the ``at`` of its newer twin: ``unlink`` for ``unlinkat``."""
    path: str
    """The file it is about."""
    data: bytes = b""
    """What it writes."""
    at_byte: int = 0
    """Where it writes, or the length it cuts to."""
    target: str = ""
    """What it renames to."""


class _Info(ctypes.Structure):
    """``struct ptrace_syscall_info``, as far as the entry of a call goes."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
        ("room", ctypes.c_uint64 * 4),
    )


def traced(run: Callable[[], None], go_on: Callable[[Call], bool]) -> bool:
    """Run a function in a forked child; False if it was killed.

    Args:
        run: Must use one thread only, and end well. The outbox's writer works on that thread: see
        `Writer.wait`. go_on: Asked before each call that changes a file; if it says no, the child is killed
        instead.
    """
    child = os.fork()
    if child == 0:
        _be_traced(run)
    try:
        return _follow(child, go_on)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


def _be_traced(run: Callable[[], None]) -> None:
    status = 1
    try:
        _thread.start_new_thread = _start_none
        _ptrace(_TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        run()
        status = 0
    except BaseException:  # noqa: BLE001 - the child must not come back into its parent's code
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _start_none(*_: object) -> int:
    raise RuntimeError("a traced process has one thread")


def _follow(child: int, go_on: Callable[[Call], bool]) -> bool:
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise RuntimeError("this machine does not permit ptrace; a container may need --cap-add=SYS_PTRACE")
    _ptrace(_SETOPTIONS, child, data=_TELL_CALLS_APART | _KILL_WITH_TRACER)
    passed_on = 0
    while True:
        _ptrace(_CONT_TO_CALL, child, data=passed_on)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status):
                raise RuntimeError("the traced function failed")
            return True
        stopped_by = os.WSTOPSIG(status)
        passed_on = 0 if stopped_by == signal.SIGTRAP | 0x80 else stopped_by
        if not passed_on and (call := _call_of(child)) is not None and not go_on(call):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False


def _call_of(child: int) -> Call | None:
    """The call the child is about to make, if it changes a file."""
    info = _Info()
    _ptrace(_CALL_INFO, child, ctypes.sizeof(info), ctypes.addressof(info))
    name = _NAMES.get(info.number) if info.op == _ENTRY else None
    if name is None:
        return None
    first, second, third, fourth, *_ = info.arguments
    if name in ("write", "pwrite64"):
        at_byte = fourth if name == "pwrite64" else 0
        return Call(name, _path_of(child, first), _memory(child, second, third), at_byte)
    if name in ("fsync", "fdatasync", "ftruncate"):
        return Call(name, _path_of(child, first), at_byte=second if name == "ftruncate" else 0)
    if NUMBERS.get(f"{name}at") == info.number:  # a directory comes first
        if ctypes.c_int(first).value != _CURRENT_DIRECTORY:
            raise NotImplementedError(f"{name} relative to an open directory")
        first, second, third = second, third, fourth
    if name == "open":
        return Call(name, _text(child, first)) if second & os.O_CREAT else None
    if name == "rename" and "renameat" in NUMBERS:
        second = third
    return Call(name, _text(child, first), target=_text(child, second) if name == "rename" else "")


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, pid, address, data) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace request {request:#x} failed")


def _memory(pid: int, address: int, size: int) -> bytes:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def _text(pid: int, address: int) -> str:
    page_end = _PATH_BYTES - address % _PATH_BYTES
    text = _memory(pid, address, page_end)
    if b"\0" not in text:
        text += _memory(pid, address + page_end, _PATH_BYTES)
    return os.fsdecode(text.partition(b"\0")[0])


def _path_of(pid: int, descriptor: int) -> str:
    return str(Path(f"/proc/{pid}/fd/{descriptor}").readlink())
