"""Keep instrumentations quiet while code runs that must not be observed: a redaction function, our own requests.

OpenTelemetry has no public name for this. Its SDK and the instrumentations of others look for these keys in
the context; ours do too. A key of our own says in addition that redaction runs: a span that begins then is
passed over even if its instrumentation knows none of the other keys.
"""

from __future__ import annotations

from typing import Final

from opentelemetry import context as otel_context
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
    Context,
)

SUPPRESSING: Final = (
    _SUPPRESS_INSTRUMENTATION_KEY,
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    "suppress_instrumentation",  # of older versions
    "suppress_language_model_instrumentation",  # of OpenLLMetry
)
"""Keys that instrumentations look for."""
UNTRACED: Final = Context(dict.fromkeys(SUPPRESSING, True))
"""A context in which nothing is instrumented, and which no conversation reaches."""
_REDACTING: Final = otel_context.create_key("greenflash-redacting")


def is_suppressed(context: Context | None = None) -> bool:
    """Return whether code in ``context``, by default the current one, asked not to be instrumented."""
    return bool(otel_context.get_value(_SUPPRESS_INSTRUMENTATION_KEY, context))


def context_of_redaction() -> Context:
    """Return a context in which nothing is instrumented, and which shows that redaction runs."""
    return Context({**UNTRACED, _REDACTING: True})


def is_redacting(context: Context | None = None) -> bool:
    """Return whether code in ``context``, by default the current one, runs for a redaction function."""
    return bool(otel_context.get_value(_REDACTING, context))
