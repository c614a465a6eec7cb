"""The public function `lookup`: the ids that Greenflash made for what was delivered."""

from __future__ import annotations

from greenflash_otel import internal_errors, runtime
from greenflash_otel.arguments import Id, write_id
from greenflash_otel.delivery.answered_ids import DeliveredConversation
from greenflash_otel.internal_errors import guarded


def lookup(conversation_id: Id) -> DeliveredConversation | None:
    """Return what Greenflash answered about a conversation: its own ids of it, of its messages and of its outcomes.

    It knows what processes with this outbox folder delivered in the last 30 days. Without a folder it knows what this
    process delivered.

    Args:
        conversation_id: Your id of the conversation, such as `Conversation.conversation_id`.

    Returns:
        The ids; None if nothing of the conversation was delivered yet. Nothing is raised.
    """
    pipeline = runtime.find_active_pipeline()
    if pipeline is None or pipeline.settings.export != "greenflash":
        internal_errors.warn_once(
            "lookup() finds nothing: this process does not deliver to Greenflash itself; call instrument() first"
        )
        return None
    with guarded("look up what Greenflash answered"):
        id, _ = write_id(conversation_id)
        return None if id is None else pipeline.find_delivered(id)
    return None
