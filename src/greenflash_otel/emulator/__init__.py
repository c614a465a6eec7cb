"""Emulate Greenflash on this machine: the published API, strict, on SQLite. Written from the API reference alone.

`Emulator` runs it next to a test, `run` in the foreground, `render` prints what arrived, and `Faults`
makes it fail on order. It accepts what the reference allows and refuses everything else with the path
of the fault. So Greenflash accepts what the emulator accepts.

The server is imported on first use: a capture within the process needs none.
"""

from typing import TYPE_CHECKING, Any

from greenflash_otel.emulator.faults import Fault, FaultReply, Faults, Hold
from greenflash_otel.emulator.stored import (
    AcceptedRequest,
    StoredConversation,
    StoredMessage,
    StoredOrganization,
    StoredOutcome,
    StoredRating,
    StoredUser,
)
from greenflash_otel.emulator.tree import render

if TYPE_CHECKING:
    from greenflash_otel.emulator.server import Emulator, run

__all__ = [
    "AcceptedRequest",
    "Emulator",
    "Fault",
    "FaultReply",
    "Faults",
    "Hold",
    "StoredConversation",
    "StoredMessage",
    "StoredOrganization",
    "StoredOutcome",
    "StoredRating",
    "StoredUser",
    "render",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import the server when somebody asks for it."""
    if name not in ("Emulator", "run"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from greenflash_otel.emulator import server

    return getattr(server, name)
