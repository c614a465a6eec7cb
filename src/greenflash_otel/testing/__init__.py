"""Test an application that uses this library: what it captures, as values and as text.

The plugin comes with the package. A test that uses the fixture ``greenflash_conversations`` needs no server::

    import greenflash_otel as greenflash


    def answer_ticket(ticket: str, *, user: str, text: str) -> None:  # your application
        with greenflash.conversation(ticket, user_id=user):
            greenflash.record_message("user", text)
            with greenflash.step("tool_call", name="price_of", input={"plan": "team"}) as price:
                price.output("149.00")
            greenflash.record_message("assistant", "The Team plan covers 20 people.")
            greenflash.record_outcome("upgrade", "149.00", value_type="currency")


    def test_upgrade_is_linked(greenflash_conversations):
        answer_ticket("chat-42", user="ada", text="Can I invite my team?")
        chat = greenflash_conversations.wait_for("chat-42", messages=2, outcomes=1)
        assert chat.visible == ["ada: Can I invite my team?", "answer: The Team plan covers 20 people."]
        assert chat.tool_calls == ["price_of"]
        assert chat.outcome("upgrade").value == "149.00"

Each test begins empty. ``greenflash_emulator`` is a server, for subprocesses; ``greenflash_faults`` makes both fail.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from greenflash_otel.testing.call_sites import UnlinkedOutcomeWarning
    from greenflash_otel.testing.capture import CapturedConversations
    from greenflash_otel.testing.conversation import CapturedConversation, assert_conversation
    from greenflash_otel.testing.faults import GreenflashFaults
    from greenflash_otel.testing.transport import RejectedRequest
    from greenflash_otel.testing.turns import CapturedMessage, CapturedStep, CapturedTurn

__all__ = [
    "AcceptedRequest",
    "CapturedConversation",
    "CapturedConversations",
    "CapturedMessage",
    "CapturedStep",
    "CapturedTurn",
    "Emulator",
    "FaultReply",
    "Faults",
    "GreenflashFaults",
    "Hold",
    "RejectedRequest",
    "StoredConversation",
    "StoredMessage",
    "StoredOrganization",
    "StoredOutcome",
    "StoredRating",
    "StoredUser",
    "UnlinkedOutcomeWarning",
    "assert_conversation",
    "render",
]

_MODULES = {
    "CapturedConversation": "testing.conversation",
    "CapturedConversations": "testing.capture",
    "CapturedMessage": "testing.turns",
    "CapturedStep": "testing.turns",
    "CapturedTurn": "testing.turns",
    "GreenflashFaults": "testing.faults",
    "RejectedRequest": "testing.transport",
    "UnlinkedOutcomeWarning": "testing.call_sites",
    "assert_conversation": "testing.conversation",
}
"""Where names come from; the others are the emulator's."""


def __getattr__(name: str) -> Any:
    """Import what somebody asks for: a run of tests that uses none of it pays for none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"greenflash_otel.{_MODULES.get(name, 'emulator')}"), name)
