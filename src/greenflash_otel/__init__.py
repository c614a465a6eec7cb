"""One line from OpenAI and LangChain calls to Greenflash conversations with their business outcomes.

    import greenflash_otel as greenflash

    greenflash.instrument()                         # GREENFLASH_API_KEY, GREENFLASH_PRODUCT_ID
    with greenflash.conversation("chat-42", user_id="ada"):
        client.chat.completions.create(...)         # captured
        greenflash.record_outcome("upgrade", "149.00", value_type="currency")

Everything not listed in ``__all__`` is private, whatever its name.

The public names are imported when the first of them is used (PEP 562), and then all of them: the command line needs
none to print its help, and a request that records an outcome should not be the one that pays for the import.
"""

import typing as _typing
from importlib import import_module as _import_module

if _typing.TYPE_CHECKING:
    from greenflash_otel.answer_ids import message_id
    from greenflash_otel.carrying import CarriedConversation, carry_conversation
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
    "CarriedConversation",
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
    "carry_conversation",
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

_HOMES = {
    "answer_ids": "message_id",
    "carrying": "CarriedConversation carry_conversation",
    "checkup": "Checkup Finding doctor",
    "context": "conversation current_conversation internal",
    "conversation_handle": "Conversation",
    "delivery.answered_ids": "DeliveredConversation DeliveredMessage",
    "delivery.stats": "Stats",
    "errors": "ConfigurationError GreenflashOtelError InvalidConversationError InvalidFeedbackError "
    "InvalidOutcomeError InvalidPromptError InvalidStepError",
    "exporter": "ConversationSpanProcessor GreenflashSpanExporter",
    "middleware": "AsgiMiddleware WsgiMiddleware flush_after",
    "model.prompts": "PromptComponent",
    "outcomes.outcome": "Outcome",
    "outcomes.ratings": "Organization Rating User",
    "pipeline": "Pipeline",
    "propagation": "propagate",
    "record": "identify_organization identify_user record_outcome record_rating",
    "record_async": "aflush aidentify_organization aidentify_user alookup arecord_outcome arecord_rating ashutdown",
    "record_lookup": "lookup",
    "record_messages": "record_message",
    "record_prompts": "prompt",
    "record_properties": "message_properties",
    "record_steps": "step",
    "redaction.presets": "redactor",
    "runtime": "flush instrument shutdown stats uninstrument",
}
"""The public names by the module that each is imported from; the same as above, for the time when it runs."""


def __getattr__(name: str) -> object:
    """Import every public name when the first one is used. A name that somebody has replaced stays replaced."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for home, names in _HOMES.items():
        module = _import_module(f"{__name__}.{home}")
        for each in names.split():
            globals().setdefault(each, getattr(module, each))
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
