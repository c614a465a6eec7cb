"""What instrumenting costs the caller's thread, side by side in one run. A benchmark, not a test.

``python tests/bench/calls.py`` prints, per case, the added time of a call and its ratio to a bare span. The
two variants alternate, so that a noisy machine treats them alike; the median of the rounds counts.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import openai

sys.path.insert(0, str(Path(__file__).parents[2]))

from opentelemetry.sdk.trace import TracerProvider

import greenflash_otel as greenflash
from tests.chat import client_saying
from tests.conftest import PRODUCT

ROUNDS = 7
CALLS = 20


def main() -> None:
    """Print the table."""
    bare_us = _time_us(_bare_span())
    print(f"bare span: {bare_us:.0f} µs")
    print(f"{'earlier messages':>16}  {'added µs':>8}  {'× bare span':>11}")
    for earlier in (0, 10, 100, 1_000):
        added_us = _added_us(earlier)
        print(f"{earlier:>16}  {added_us:>8.0f}  {added_us / bare_us:>11.1f}")


def _bare_span() -> Callable[[], object]:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")

    def span() -> None:
        with tracer.start_as_current_span("chat") as current:
            current.set_attribute("gen_ai.operation.name", "chat")

    return span


def _added_us(earlier: int) -> float:
    with_us, without_us = [], []
    for number in range(ROUNDS):
        without_us.append(_time_us(_call(earlier)))
        greenflash.instrument(product_id=PRODUCT, outbox=":memory:")
        with greenflash.conversation(f"bench-{number}"):
            call = _call(earlier)
            call()
            with_us.append(_time_us(call))
        greenflash.shutdown(0)
    return statistics.median(with_us) - statistics.median(without_us)


def _call(earlier: int) -> Callable[[], object]:
    """A call that resends so many earlier messages, as chat clients do; a call before has told the last."""
    answer = "The same answer as ever."
    client: openai.OpenAI = client_saying(iter(lambda: answer, ""))
    messages: list[openai.types.chat.ChatCompletionMessageParam] = []
    for number in range(earlier // 2):
        messages.append({"role": "user", "content": f"Question {number} {'about shoes ' * 20}"})
        messages.append({"role": "assistant", "content": answer})
    if messages:
        client.chat.completions.create(model="gpt-4o-mini", messages=messages[:-1])
    messages.append({"role": "user", "content": "And now?"})
    return lambda: client.chat.completions.create(model="gpt-4o-mini", messages=messages)


def _time_us(function: Callable[[], object]) -> float:
    function()
    started_s = time.perf_counter()
    for _ in range(CALLS):
        function()
    return (time.perf_counter() - started_s) / CALLS * 1e6


if __name__ == "__main__":
    main()
