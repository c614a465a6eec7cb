"""The conversations that took place are those that arrive, whichever instrumentation told of them."""

from __future__ import annotations

import pytest

from tests.fidelity.corpus import OURS, Recording, recordings
from tests.fidelity.foreign import arrive, score

NOT_YET = (
    "agent-framework-1.23.0/tools_parallel",
    "litellm-1.106.2/image",
    "mixed-openinference-langchain-otel-openai-0.1.80-1.3b0/responses_reasoning",
    "mixed-openinference-langchain-otel-openai-0.1.80-1.3b0/two_layers",
    "openinference-langchain-0.1.80/responses_reasoning",
    "openinference-openai-agents-2.6.0/no_content",
    "openinference-two-0.1.80/two_layers",
    "openllmetry-langchain-0.47.5/error",
    "openllmetry-langchain-0.47.5/responses_reasoning",
    "openllmetry-langchain-0.62.4/responses_reasoning",
    "openllmetry-langchain-0.62.4/streaming",
    "openllmetry-openai-0.47.5/responses_reasoning",
    "openllmetry-openai-0.62.4/responses_reasoning",
    "otel-genai-openai-agents-1.3b0/no_content",
    "otel-genai-openai-agents-1.3b0/tools_parallel",
    "otel-genai-two-1.3b0/rag",
    "pydantic-ai-fmt1-1.0.18/no_content",
)
"""Not all of these arrives as it should."""

SAMPLE = list(recordings(OURS))


@pytest.mark.parametrize("recording", SAMPLE, ids=lambda one: f"{one.producer}/{one.scenario}")
def test_all_of_it(recording: Recording) -> None:
    """All that is in the recording arrives, once, with type and parent, and nothing else."""
    made = score(recording, arrive(recording))
    assert made.is_perfect == (f"{recording.producer}/{recording.scenario}" not in NOT_YET), made
