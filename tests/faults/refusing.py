"""Has the kernel refuse a system call, with an error of one's choice, to one thread for the rest of its life.

A filter of `seccomp`, as any process may set up for itself; needs nothing but Linux and Python.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Final

from tests.faults.tracing import NUMBERS

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_REFUSE, _ALLOW = 0x00050000, 0x7FFF0000
_libc: Final = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_in_this_thread(error: int, *calls: str) -> None:
    """Refuse these system calls from now on, in the calling thread and those it starts."""
    numbers = [NUMBERS[call] for call in calls]
    instructions = [(_LOAD, 0, 0, 0)]  # the number of the call
    for place, number in enumerate(numbers):
        instructions.append((_JUMP_IF_EQUAL, len(numbers) - place, 0, number))
    instructions += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE | error)]
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    program = _Program(len(instructions), packed)
    _prctl(_NO_NEW_PRIVILEGES, 1, None)
    _prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program))


def _prctl(option: int, argument: int, pointer: object) -> None:
    if _libc.prctl(option, ctypes.c_ulong(argument), pointer, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")
