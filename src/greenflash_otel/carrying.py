"""The public function `carry_conversation`: what another process needs to continue a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

from greenflash_otel.context import (
    Scope,
    conversation,
    current_conversation,
    get_current_conversation_context,
)
from greenflash_otel.internal_errors import guarded

NAMES = ("id", "user_id", "organization_id")


class CarriedConversation(TypedDict, total=False):
    """Arguments of `conversation()`, as texts."""

    id: str
    user_id: str
    organization_id: str


def carry_conversation() -> CarriedConversation:
    """Return the arguments with which `conversation()` continues the active conversation in another process.

    Write them into the message of a queue: ``json.dumps(greenflash.carry_conversation())``. The receiver writes
    ``with greenflash.conversation(**carried):``. A block without an id gets one, which waits for a second at most.

    Returns:
        ``id``, ``user_id`` and ``organization_id`` as far as they are known. It is empty outside any block.
    """
    whose = get_current_conversation_context()
    if whose.conversation_id is None and whose.scope_id is None and whose.user_id is None:
        return {}
    values = (current_conversation(), whose.user_id, whose.organization_id)
    known = {name: value for name, value in zip(NAMES, values, strict=True) if value}
    return cast(CarriedConversation, known)


def continue_conversation(carried: object) -> Scope | None:
    """Return the block that continues a conversation of another process; None if nothing of it came along."""
    with guarded("continue the conversation of a task"):
        if not isinstance(carried, Mapping):
            return None
        found = {name: carried[name] for name in NAMES if carried.get(name) and type(carried[name]) is str}
        return conversation(**found) if found else None
    return None
