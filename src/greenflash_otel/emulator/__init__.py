"""A local Greenflash: the published API, strict, on SQLite. Written from the API reference alone.

`Emulator` runs it next to a test, `run` in the foreground, `render` prints what arrived, and `Faults`
makes it fail on order. It accepts what the reference allows and refuses the rest with the path of the
fault, so that a client that gets along with it gets along with Greenflash.
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
