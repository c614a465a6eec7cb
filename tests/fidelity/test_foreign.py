"""The conversations that took place are those that arrive, whichever instrumentation told of them."""

from __future__ import annotations

import pytest

from tests.fidelity.corpus import OURS, Recording, recordings
from tests.fidelity.foreign import arrive, score

NOT_YET = (
    "openinference-openai-agents-2.6.0/no_content",
    "openllmetry-langchain-0.47.5/error",
    "openllmetry-langchain-0.47.5/responses_reasoning",
    "openllmetry-openai-0.47.5/responses_reasoning",
    "otel-genai-openai-agents-1.3b0/no_content",
    "otel-genai-openai-agents-1.3b0/tools_parallel",
    "otel-genai-two-1.3b0/rag",
)
"""Not all of these arrives as it should."""

SAMPLE = list(recordings(OURS))


@pytest.mark.parametrize("recording", SAMPLE, ids=lambda one: f"{one.producer}/{one.scenario}")
def test_all_of_it(recording: Recording) -> None:
    """All that is in the recording arrives, once, with type and parent, and nothing else."""
    made = score(recording, arrive(recording))
    assert made.is_perfect == (f"{recording.producer}/{recording.scenario}" not in NOT_YET), made
