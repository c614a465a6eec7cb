"""The conversations that took place are those that arrive, whichever instrumentation told of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from greenflash_otel.ingest.ingest import Ingest
from tests.api.wire import ADDRESS
from tests.fidelity.conventions import PAGE, cell, scores, told
from tests.fidelity.corpus import OURS, Recording, recordings
from tests.fidelity.foreign import Arrived, arrive, score

Way = Callable[[Ingest, Recording], None]
"""Delivers a recording."""

NOT_YET = (
    "openinference-openai-agents-2.6.0/no_content",
    "openllmetry-langchain-0.47.5/error",
    "openllmetry-langchain-0.47.5/responses_reasoning",
    "openllmetry-openai-0.47.5/responses_reasoning",
    "otel-genai-openai-agents-1.3b0/tools_parallel",
    "otel-genai-two-1.3b0/rag",
)
"""Of these not all arrives as it should; `docs/conventions.md` says why."""

MIXED = "mixed-openinference-langchain-otel-openai-0.1.80-1.3b0"
SAMPLE = list(recordings(OURS))


@pytest.mark.parametrize("recording", SAMPLE, ids=lambda one: f"{one.producer}/{one.scenario}")
def test_all_of_it(recording: Recording) -> None:
    """All that is in the recording arrives, once, with type and parent, and nothing else."""
    made = score(recording, arrive(recording))
    assert made.is_perfect == (f"{recording.producer}/{recording.scenario}" not in NOT_YET), made


def test_the_page_is_up_to_date() -> None:
    """What it says of the recordings that are here is so."""
    here, page = scores(SAMPLE), told(PAGE.read_text(encoding="utf-8"))
    assert {place: page.get(place) for place in here} == {place: cell(made) for place, made in here.items()}


@pytest.mark.parametrize("recording", SAMPLE, ids=lambda one: f"{one.producer}/{one.scenario}")
def test_no_bytes(recording: Recording) -> None:
    """Of pictures and files only digests arrive."""
    told = repr(arrive(recording).items)
    assert "iVBORw0KGgo" not in told and "JVBERi0xLj" not in told


def one_by_one(intake: Ingest, recording: Recording) -> None:
    """Each span and each log record in a request of its own."""
    for log in recording.logs:
        intake.take_logs([log])
    for span in sorted(recording.spans, key=lambda span: span.end_ns):
        intake.take([span])


def logs_last(intake: Ingest, recording: Recording) -> None:
    """The log records when all spans are there."""
    intake.take(recording.spans)
    for log in recording.logs:
        intake.take_logs([log])


def backwards(intake: Ingest, recording: Recording) -> None:
    """In one request, the last first."""
    intake.take_logs(tuple(reversed(recording.logs)))
    intake.take(tuple(reversed(recording.spans)))


def twice(intake: Ingest, recording: Recording) -> None:
    """Everything delivered again."""
    for _ in range(2):
        intake.take_logs(recording.logs)
        intake.take(recording.spans)


TOO_LATE = {
    (logs_last, "google-adk-optin-2.13.0/tools_parallel"): "only the log record names the user",
    (one_by_one, f"{MIXED}/responses_reasoning"): "only the outer layer, told later, has the reasoning",
    (
        one_by_one,
        "openllmetry-openai-0.62.4/responses_reasoning",
    ): "the call has another id there",
    (one_by_one, "langfuse-openai-js-5.11.1/text_and_tools"): "only the next call tells the text and the ids",
}
"""Why it matters."""


@pytest.mark.parametrize("way", [one_by_one, logs_last, backwards, twice])
@pytest.mark.parametrize("recording", SAMPLE, ids=lambda one: f"{one.producer}/{one.scenario}")
def test_the_way_it_comes(recording: Recording, way: Way) -> None:
    """Matters only where one span says what another one lacks, and comes too late."""
    arrived = Arrived()
    intake = Ingest(arrived, ADDRESS)
    way(intake, recording)
    intake.emit_all_waiting()
    same = score(recording, arrived) == score(recording, arrive(recording))
    assert same == ((way, f"{recording.producer}/{recording.scenario}") not in TOO_LATE)
