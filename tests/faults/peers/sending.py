"""An application that hands items to one library, with that library's own defaults.

``python -m tests.faults.peers.sending library url items pause_s stay_s``: hands over items named ``item-0``
and so on, says so line by line, stays, and ends as a program ends that knows of no shutdown function.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

PRODUCT = "6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10"

Send = Callable[[str], object]


def library(name: str) -> Any:  # others' packages, which the tests do not need
    """A module that may be installed."""
    return importlib.import_module(name)


def batch_span_processor(url: str) -> Send:
    """OpenTelemetry's own way: BatchSpanProcessor and the OTLP/HTTP exporter."""
    sdk = library("opentelemetry.sdk.trace")
    export = library("opentelemetry.sdk.trace.export")
    otlp = library("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("peer")
    return lambda item: tracer.start_span(item).end()


def langfuse(url: str) -> Send:
    """Langfuse's client."""
    client = library("langfuse").Langfuse(public_key="pk", secret_key="sk", base_url=url)
    return lambda item: client.start_observation(name=item).end()


def posthog(url: str) -> Send:
    """PostHog's client."""
    client = library("posthog").Posthog("key", host=url)
    return lambda item: client.capture(item, distinct_id="ada")


def greenflash_sdk(url: str) -> Send:
    """Greenflash's own client: it sends while the application waits, and raises if it cannot."""
    client = library("greenflash").Greenflash(api_key="gf_peer", base_url=f"{url}/api/v1")
    return lambda item: client.messages.create(
        product_id=PRODUCT,
        external_user_id="ada",
        external_conversation_id=item,
        messages=[{"role": "user", "content": item, "external_message_id": item}],
    )


def greenflash_otel(url: str) -> Send:
    """This library, with its outbox on disk, as by default."""
    ours, sdk = library("greenflash_otel"), library("opentelemetry.sdk.trace")
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    ours.instrument(
        api_key="gf_peer",
        product_id=PRODUCT,
        base_url=f"{url}/api/v1",
        tracer_provider=provider,
        frameworks=(),
    )
    tracer, numbers = provider.get_tracer("peer"), itertools.count()

    def send(item: str) -> None:
        said = [{"role": "user", "parts": [{"type": "text", "content": f"{item} please"}]}]
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.conversation.id": f"chat {next(numbers) % 10}",
            "gen_ai.input.messages": json.dumps(said),
        }
        tracer.start_span("chat", attributes=attributes).end()

    return send


LIBRARIES: dict[str, Callable[[str], Send]] = {
    "greenflash-otel": greenflash_otel,
    "BatchSpanProcessor + OTLP": batch_span_processor,
    "langfuse": langfuse,
    "posthog": posthog,
    "greenflash SDK": greenflash_sdk,
}


def main(name: str, url: str, items: int, pause_s: float, stay_s: float) -> None:
    """Hand over, stay, end."""
    send, nothing = LIBRARIES[name](url), threading.Event()
    for number in range(items):
        try:
            send(f"item-{number}")
            _tell(f"took item-{number}")
        except Exception:  # noqa: BLE001 - whatever a library raises, its application has been told
            _tell(f"raised item-{number}")
        nothing.wait(pause_s)
    nothing.wait(stay_s)
    _tell("ending")


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
