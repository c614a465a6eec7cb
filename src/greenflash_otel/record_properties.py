"""The public function `message_properties`: what describes the messages of the enclosed calls."""

from __future__ import annotations

from typing import Any

from greenflash_otel.arguments import Properties, Repairs, read_properties, report
from greenflash_otel.context import Scope
from greenflash_otel.errors import InvalidConversationError
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import ConversationContext, Json


def message_properties(properties: Properties | None = None, /, **named: Any) -> Scope:
    """Put properties on every message of the enclosed calls, and on no other message.

        with greenflash.message_properties(feature="search", attempt=2):
            client.chat.completions.create(...)

    They go to the question, the answer, and the hidden steps of the call. What a call resends of the past stays as it
    is. Use it like `conversation()`, inside or around it. Blocks add up. Of one name the inner one counts, also before
    what the library writes itself.

    Args:
        properties: The same as a dict, for names that are no keywords.
        **named: Anything JSON, by name.

    Raises:
        InvalidConversationError: Only with the setting ``strict``: a value is no JSON and cannot become any.
    """
    repairs, own = Repairs(), dict[str, Json]()
    with guarded("read the arguments of message_properties()"):
        own = {**read_properties(properties, repairs), **read_properties(named, repairs)}
        own = repairs.add_original(own)
    report("message_properties()", repairs, InvalidConversationError)
    return Scope(ConversationContext(message_properties=own), opens=False)
