"""What a user saw arrives, and nothing else is shown, whatever the graph does."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation import openai as openai_sdk
from tests.instrumentation.openai.spans import Spans
from tests.wild_graphs.plans import PLANS, Plan
from tests.wild_graphs.world import find_mistakes, play

EXAMPLES = int(os.environ.get("GREENFLASH_OTEL_WILD_EXAMPLES", "300"))
"""20,000 in the long run."""


@pytest.mark.timeout(0)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PLANS)
def test_what_is_shown_is_what_a_user_saw(plan: Plan) -> None:
    """Each once, in order, below the one before; each tool call once, with the result that counted."""
    spans = Spans()
    langchain.instrument(spans.tracer, history="new")
    openai_sdk.instrument(spans.tracer, history="new")
    try:
        happened = play(plan, "wild")
    finally:
        openai_sdk.uninstrument()
        langchain.uninstrument()
    assert find_mistakes(happened, spans.conversations()) == []
