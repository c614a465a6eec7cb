"""The conversations that took place are those that arrive, whichever instrumentation told of them."""

from __future__ import annotations

import pytest

from tests.fidelity.conventions import PAGE, RECORDED, cells, losers, scores, told
from tests.fidelity.corpus import OURS, Recording, recordings
from tests.fidelity.foreign import arrive, score
from tests.fidelity.losses import NOTES
from tests.fidelity.ways import Way, backwards, logs_last, one_by_one, score_way, twice

NOT_YET = (
    "openinference-openai-agents-2.6.0/no_content",
    "openllmetry-langchain-0.47.5/error",
    "openllmetry-langchain-0.47.5/responses_reasoning",
    "openllmetry-openai-0.47.5/responses_reasoning",
    "otel-bedrock-0.66b2/weather",
    "otel-genai-openai-agents-1.3b0/tools_parallel",
    "otel-genai-two-1.3b0/rag",
)
"""Of these not all arrives as it should; `docs/conventions.md` says why."""

MIXED = "mixed-openinference-langchain-otel-openai-0.1.80-1.3b0"
SAMPLE = list(recordings(OURS))


@pytest.mark.parametrize(
    "recording", SAMPLE, ids=lambda recording: f"{recording.producer}/{recording.scenario}"
)
def test_all_of_it(recording: Recording) -> None:
    """All that is in the recording arrives, once, with type and parent, and nothing else."""
    made = score(recording, arrive(recording))
    assert made.is_perfect == (f"{recording.producer}/{recording.scenario}" not in NOT_YET), made


def test_the_page_is_up_to_date() -> None:
    """What it says of the recordings that are here is so, in each way, and with the day."""
    here, page = scores(SAMPLE), told(PAGE.read_text(encoding="utf-8"))
    assert {place: page.get(place) for place in here} == {place: cells(made) for place, made in here.items()}
    for (producer, _), made in here.items():
        assert made.recorded[:7] in page[producer, RECORDED]  # of several days, the first and the last
    assert losers(here) <= set(NOTES)
    assert all(f"- {name}: {NOTES[name]}." in PAGE.read_text(encoding="utf-8") for name in losers(here))


@pytest.mark.parametrize(
    "recording", SAMPLE, ids=lambda recording: f"{recording.producer}/{recording.scenario}"
)
def test_no_bytes(recording: Recording) -> None:
    """Of pictures and files only digests arrive."""
    told = repr(arrive(recording).items)
    assert "iVBORw0KGgo" not in told and "JVBERi0xLj" not in told


TOO_LATE = {
    (logs_last, "google-adk-optin-2.13.0/tools_parallel"): "only the log record names the user",
    (
        logs_last,
        "semantic-kernel-1.45.0/weather",
    ): "only the log record has what the model was sent of a failed tool",
    (one_by_one, f"{MIXED}/responses_reasoning"): "only the outer layer, told later, has the reasoning",
    (
        one_by_one,
        "openllmetry-openai-0.62.4/responses_reasoning",
    ): "the call has another id there",
    (one_by_one, "langfuse-openai-js-5.11.1/text_and_tools"): "only the next call tells the text and the ids",
}
"""Why it matters."""


@pytest.mark.parametrize("way", [one_by_one, logs_last, backwards, twice])
@pytest.mark.parametrize(
    "recording", SAMPLE, ids=lambda recording: f"{recording.producer}/{recording.scenario}"
)
def test_the_way_it_comes(recording: Recording, way: Way) -> None:
    """Matters only where one span says what another one lacks, and comes too late."""
    same = score_way(recording, way) == score(recording, arrive(recording))
    assert same == ((way, f"{recording.producer}/{recording.scenario}") not in TOO_LATE)
