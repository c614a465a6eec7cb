"""One line from OpenAI and LangChain calls to Greenflash conversations with their business outcomes.

    import greenflash_otel as greenflash

    greenflash.instrument()                         # GREENFLASH_API_KEY, GREENFLASH_PRODUCT_ID
    with greenflash.conversation("chat-42", user_id="ada"):
        client.chat.completions.create(...)         # captured
        greenflash.record_outcome("upgrade", "149.00", value_type="currency")

Everything not listed in ``__all__`` is private, whatever its name.
"""

from greenflash_otel.answer_ids import message_id
from greenflash_otel.checkup import Checkup, Finding, doctor
from greenflash_otel.context import conversation, current_conversation, internal
from greenflash_otel.conversation_handle import Conversation
from greenflash_otel.delivery.answered_ids import DeliveredConversation, DeliveredMessage
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.errors import (
    ConfigurationError,
    GreenflashOtelError,
    InvalidConversationError,
    InvalidFeedbackError,
    InvalidOutcomeError,
    InvalidPromptError,
    InvalidStepError,
)
from greenflash_otel.exporter import ConversationSpanProcessor, GreenflashSpanExporter
from greenflash_otel.middleware import AsgiMiddleware, WsgiMiddleware, flush_after
from greenflash_otel.model.prompts import PromptComponent
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Organization, Rating, User
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.propagation import propagate
from greenflash_otel.record import identify_organization, identify_user, record_outcome, record_rating
from greenflash_otel.record_async import (
    aflush,
    aidentify_organization,
    aidentify_user,
    alookup,
    arecord_outcome,
    arecord_rating,
    ashutdown,
)
from greenflash_otel.record_lookup import lookup
from greenflash_otel.record_messages import record_message
from greenflash_otel.record_prompts import prompt
from greenflash_otel.record_properties import message_properties
from greenflash_otel.record_steps import step
from greenflash_otel.redaction.presets import redactor
from greenflash_otel.runtime import flush, instrument, shutdown, stats, uninstrument

__all__ = [
    "AsgiMiddleware",
    "Checkup",
    "ConfigurationError",
    "Conversation",
    "ConversationSpanProcessor",
    "DeliveredConversation",
    "DeliveredMessage",
    "Finding",
    "GreenflashOtelError",
    "GreenflashSpanExporter",
    "InvalidConversationError",
    "InvalidFeedbackError",
    "InvalidOutcomeError",
    "InvalidPromptError",
    "InvalidStepError",
    "Organization",
    "Outcome",
    "Pipeline",
    "PromptComponent",
    "Rating",
    "Stats",
    "User",
    "WsgiMiddleware",
    "aflush",
    "aidentify_organization",
    "aidentify_user",
    "alookup",
    "arecord_outcome",
    "arecord_rating",
    "ashutdown",
    "conversation",
    "current_conversation",
    "doctor",
    "flush",
    "flush_after",
    "identify_organization",
    "identify_user",
    "instrument",
    "internal",
    "lookup",
    "message_id",
    "message_properties",
    "prompt",
    "propagate",
    "record_message",
    "record_outcome",
    "record_rating",
    "redactor",
    "shutdown",
    "stats",
    "step",
    "uninstrument",
]
