"""What a turn of a long LangGraph thread costs, side by side with others. A benchmark, not a test.

``python tests/bench/threads.py`` has a thread of 200 turns once per instrumentation that is installed, each
in a process of its own, by turns, and prints for some of the turns what processor time one took and how many
characters it left on spans. One question and one answer are in each, so what grows does so with the history;
LangGraph itself does, too. Then it prints how long our callbacks held the thread with contents of megabytes.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[2]))

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation.langchain.handler import HookedHandler
from tests.instrumentation.langchain.models import asks, create_agent, echoes, says

TURNS = 200
SHOWN = (1, 50, 100, 200)
AROUND = 5
"""Turns before a shown one whose median counts."""
ROUNDS = 3

Turn: TypeAlias = tuple[float, float]
"""Milliseconds of processor time, in all threads; characters."""


class Counts(SpanExporter):
    """Counts the characters on spans."""

    def __init__(self) -> None:
        self.characters = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.characters += sum(
            len(str(value)) for span in spans for value in (span.attributes or {}).values()
        )
        return SpanExportResult.SUCCESS


def nothing(provider: TracerProvider) -> None:
    """No instrumentation."""


def greenflash(provider: TracerProvider) -> None:
    """Ours, as `instrument()` sets it up."""
    langchain.instrument(provider.get_tracer("bench"), history="new")


def openinference(provider: TracerProvider) -> None:
    """OpenInference's."""
    peer: Any = importlib.import_module("openinference.instrumentation.langchain")
    peer.LangChainInstrumentor().instrument(tracer_provider=provider)


def langfuse(provider: TracerProvider) -> BaseCallbackHandler:
    """Langfuse's, without sending anything anywhere."""
    peer: Any = importlib.import_module("langfuse")
    keys = {"public_key": "pk", "secret_key": "sk", "host": "http://127.0.0.1:9"}
    peer.Langfuse(**keys, tracer_provider=provider, span_exporter=Counts())
    handler: BaseCallbackHandler = importlib.import_module("langfuse.langchain").CallbackHandler(
        public_key="pk"
    )
    return handler


VARIANTS: dict[str, tuple[Callable[[TracerProvider], BaseCallbackHandler | None], str]] = {
    "nothing": (nothing, "langchain_core"),
    "greenflash": (greenflash, "greenflash_otel"),
    "openinference": (openinference, "openinference.instrumentation.langchain"),
    "langfuse": (langfuse, "langfuse"),
}
"""What sets each up, and the module that it needs."""


def main() -> None:
    """Print the table."""
    there = [name for name, (_, needed) in VARIANTS.items() if _is_there(needed)]
    turns: dict[str, list[list[Turn]]] = {name: [] for name in there}
    for _ in range(ROUNDS):
        for name in there:
            turns[name].append(_run(name))
    print(f"{'':>14}  {'turn':>5}  {'CPU ms':>7}  {'added':>7}  {'characters':>10}")
    for name in there:
        for turn in SHOWN:
            ms, characters = _typical(turns[name], turn)
            added = ms - _typical(turns["nothing"], turn)[0]
            print(f"{name:>14}  {turn:>5}  {ms:>7.2f}  {added:>7.2f}  {characters:>10.0f}")
    for name in VARIANTS.keys() - there:
        print(f"{name:>14}  is not installed")
    longest = _longest_callbacks()
    print("longest callbacks:", ", ".join(f"{name} {ms:.2f} ms" for name, ms in longest.items()))


def _typical(rounds: list[list[Turn]], turn: int) -> Turn:
    """The median of a turn and those before it, over all rounds."""
    near = [entry for turns in rounds for entry in turns[max(0, turn - AROUND) : turn]]
    return statistics.median(entry[0] for entry in near), statistics.median(entry[1] for entry in near)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _run(name: str) -> list[Turn]:
    done = subprocess.run(
        [sys.executable, __file__, name], capture_output=True, text=True, check=True, timeout=600
    )
    turns: list[Turn] = json.loads(done.stdout)
    return turns


def _measure(name: str) -> list[Turn]:
    """Milliseconds and characters of each turn."""
    counts, provider = Counts(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(counts))
    handler = VARIANTS[name][0](provider)
    agent: Any = create_agent(echoes(), checkpointer=MemorySaver())
    config = {"configurable": {"thread_id": "T"}, "callbacks": [handler] if handler else []}
    agent.invoke({"messages": [HumanMessage("Warm up.")]}, {**config, "configurable": {"thread_id": "W"}})
    found = list[Turn]()
    for turn in range(TURNS):
        question = HumanMessage(f"turn {turn} " + "x" * 200)
        before = counts.characters
        start = time.process_time()
        agent.invoke({"messages": [question]}, config)
        ms = (time.process_time() - start) * 1_000
        found.append((ms, counts.characters - before))
    return found


def _longest_callbacks() -> dict[str, float]:
    """Milliseconds by callback, the best of several turns, with a picture of 5 MB and a result of 1 MB."""
    provider, longest = TracerProvider(shutdown_on_exit=False), dict[str, float]()
    langchain.instrument(provider.get_tracer("bench"), history="new")

    @tool
    def read_all() -> str:
        """Read everything."""
        return "word " * 200_000

    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5_000_000}}
    for number in range(5):
        turn = dict[str, float]()
        handler = _timed(HookedHandler(), turn)
        agent: Any = create_agent(says(asks(("read_all", {}, "1")), "So much."), [read_all])
        config = {"configurable": {"thread_id": str(number)}, "callbacks": [handler]}
        agent.invoke({"messages": [HumanMessage([{"type": "text", "text": "Read."}, picture])]}, config)
        longest = {name: min(ms, longest.get(name, ms)) for name, ms in turn.items()}
    langchain.uninstrument()
    return longest


def _timed(handler: BaseCallbackHandler, longest: dict[str, float]) -> BaseCallbackHandler:
    """The handler, noting how long each of its callbacks takes at most."""

    def timed(name: str, callback: Callable[..., object]) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            start = time.perf_counter()
            callback(*args, **kwargs)
            longest[name] = max(longest.get(name, 0.0), (time.perf_counter() - start) * 1_000)

        return call

    for name in ("on_chain_start", "on_chain_end", "on_chat_model_start", "on_llm_end", "on_tool_end"):
        setattr(handler, name, timed(name, getattr(handler, name)))
    return handler


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_measure(sys.argv[1])))
    else:
        main()
