"""What this library raises on purpose. Everything else stays inside and is counted.

    GreenflashOtelError
    ├── ConfigurationError        instrument(), the exporter's constructor, the command line
    ├── InvalidOutcomeError       record_outcome(..., strict=True) and Outcome(...)
    ├── InvalidConversationError  conversation() and GreenflashCallbackHandler, with the setting strict
    └── InvalidFeedbackError      record_rating(), identify_user(), identify_organization(..., strict=True)

Nothing here is ever raised by a wrapped OpenAI or LangChain call.
"""

from __future__ import annotations


class GreenflashOtelError(Exception):
    """Base of every error this library raises on purpose."""


class ConfigurationError(GreenflashOtelError, ValueError):
    """A setting is missing, malformed or contradicts another. Raised only while setting up."""


class InvalidOutcomeError(GreenflashOtelError, ValueError):
    """An outcome that Greenflash would refuse however often it is sent."""


class InvalidConversationError(GreenflashOtelError, ValueError):
    """An id or a property of a conversation that had to be repaired."""


class InvalidFeedbackError(GreenflashOtelError, ValueError):
    """A rating, user or organization that Greenflash would refuse, or that makes no sense."""


class InvalidPromptError(GreenflashOtelError, ValueError):
    """A prompt that had to be repaired."""


class InvalidStepError(GreenflashOtelError, ValueError):
    """A step or a message of the application's own code that had to be repaired."""
