"""Emulate Greenflash on this machine: the published API, strict, on SQLite. Written from the API reference alone.

`Emulator` runs it next to a test, `run` in the foreground, `render` prints what arrived, and `Faults`
makes it fail on order. It accepts what the reference allows and refuses everything else with the path
of the fault. So Greenflash accepts what the emulator accepts.
"""

from greenflash_otel.emulator.faults import Fault, FaultReply, Faults, Hold
from greenflash_otel.emulator.server import Emulator, run
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
