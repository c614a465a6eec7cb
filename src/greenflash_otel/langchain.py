"""LangChain and LangGraph without global instrumentation: a callback handler to pass where it is wanted.

    from greenflash_otel.langchain import GreenflashCallbackHandler

    handler = GreenflashCallbackHandler()
    agent.invoke(
        {"messages": [("user", "Hello!")]},
        config={"callbacks": [handler], "configurable": {"thread_id": "chat-42", "user_id": "ada"}},
    )

After `greenflash_otel.instrument()` it is not needed, and does no harm: what both see is recorded once.
"""

from __future__ import annotations

from greenflash_otel import runtime
from greenflash_otel.arguments import Id, Properties
from greenflash_otel.context_arguments import make_conversation_context
from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation.langchain.config import Source
from greenflash_otel.instrumentation.langchain.handler import CallbackHandler

__all__ = ["GreenflashCallbackHandler"]


class GreenflashCallbackHandler(CallbackHandler):
    """Records the chains, agents and models that it is passed to, and everything they call.

    One handler may serve any number of users and threads at once. What is left out here is looked for in each
    call: in the active `conversation()`, then in the config's ``metadata`` and ``configurable``
    (``conversation_id``, ``thread_id``, ``session_id``; ``user_id``; ``organization_id``).

    Unless `instrument()` was called before, the first handler sets up the delivery from the environment, and
    nothing is instrumented globally.

    Args:
        conversation_id: Your name for the conversation, where the handler serves only one.
        user_id: Your name for the user, sent as ``externalUserId``.
        organization_id: Your name for the user's organization.
        properties: Anything JSON that describes the conversation; see `conversation()`.
        message_properties: Anything JSON that describes every message of what it records.
        sample_rate: 0 to 1: the share of such conversations to keep; see `conversation()`.
        force_sample: Keep it whatever the rates say.
        greenflash_conversation_id: The id that Greenflash gave a conversation, to continue that one.

    Raises:
        ConfigurationError: It is the first to be set up, and a setting is missing or malformed.
        InvalidConversationError: Only with the setting ``strict``: an argument is bad.
    """

    def __init__(
        self,
        *,
        conversation_id: Id | None = None,
        user_id: Id | None = None,
        organization_id: Id | None = None,
        properties: Properties | None = None,
        message_properties: Properties | None = None,
        sample_rate: float | None = None,
        force_sample: bool | None = None,
        greenflash_conversation_id: Id | None = None,
    ) -> None:
        super().__init__()
        if langchain.current is None:
            runtime.instrument(frameworks=())
        ids: dict[str, object] = {
            "conversation_id": conversation_id,
            "user_id": user_id,
            "organization_id": organization_id,
        }
        self._conversation_context = make_conversation_context(
            "GreenflashCallbackHandler()",
            ids,
            properties,
            greenflash_conversation_id,
            message_properties,
            sample_rate=sample_rate,
            force_sample=force_sample,
        )

    def get_source(self) -> Source | None:
        """Return where the spans of a new turn go; None after `shutdown()`."""
        instrumentation = langchain.current
        return None if instrumentation is None else Source(instrumentation, self._conversation_context)
