"""What users of this library import in their own tests: a local Greenflash, and what it stored.

The fixture ``greenflash_emulator`` comes with ``pytest_plugins = ["greenflash_otel.testing.plugin"]``
in the top ``conftest.py``.
"""

from greenflash_otel.emulator import (
    AcceptedRequest,
    Emulator,
    FaultReply,
    Faults,
    Hold,
    StoredConversation,
    StoredMessage,
    StoredOrganization,
    StoredOutcome,
    StoredRating,
    StoredUser,
    render,
)

__all__ = [
    "AcceptedRequest",
    "Emulator",
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
]
