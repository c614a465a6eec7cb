"""The published contract of Greenflash's API, said once more, by hand and strictly.

Written from the API reference, not from what this library sends: a fault of our serialiser is a
refusal here. Where the reference is silent, the emulator accepts, except for what no database keeps.
"""

from greenflash_otel.emulator.contract.directory import (
    OrganizationRequest,
    OrganizationUpdate,
    UserRequest,
    UserUpdate,
)
from greenflash_otel.emulator.contract.events import EventRequest, RatingRequest
from greenflash_otel.emulator.contract.messages import MessageItem, MessagesRequest
from greenflash_otel.emulator.contract.reading import read

__all__ = [
    "EventRequest",
    "MessageItem",
    "MessagesRequest",
    "OrganizationRequest",
    "OrganizationUpdate",
    "RatingRequest",
    "UserRequest",
    "UserUpdate",
    "read",
]
