"""Record a producer: `python -m tests.recordings.record anthropic`, where its packages are installed.

Each instrumentation of the producer runs in a process of its own.
"""

from __future__ import annotations

import datetime
import importlib
import logging
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.recordings import provider, shelf, talk

SCENARIO = "weather"
IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
RESOURCE = Resource({"service.name": "recorded"})


def record(name: str, instrumentation: str) -> None:
    """Run a producer under one instrumentation, and write what it tells."""
    producer = importlib.import_module(f"tests.recordings.producers.{name}")
    distribution, module, instrumentor = producer.INSTRUMENTATIONS[instrumentation]
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    traces, records = TracerProvider(resource=RESOURCE), LoggerProvider(resource=RESOURCE)
    traces.add_span_processor(SimpleSpanProcessor(spans))
    records.add_log_record_processor(SimpleLogRecordProcessor(logs))
    trace.set_tracer_provider(traces)
    set_logger_provider(records)
    for logger in map(logging.getLogger, getattr(producer, "LOGGERS", ())):
        logger.setLevel(logging.INFO)
        logger.addHandler(LoggingHandler(logger_provider=records))
    if module:
        getattr(importlib.import_module(module), instrumentor)().instrument()
    with provider.serving() as address:
        producer.play(address)
    made = list(logs.get_finished_logs())
    version = metadata.version(distribution)
    own_name = name.replace("_", "-")
    folder = own_name if instrumentation == own_name else f"{instrumentation}-{own_name}"
    header = {
        "day": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "packages": _packages(name),
    }
    named = getattr(producer, "CONVERSATION", None), getattr(producer, "USER", None)
    shelf.put(
        shelf.Entry(folder, version, SCENARIO, header, named),
        talk.truth(
            system=producer.SYSTEM,
            thinks=producer.THINKS,
            returns=getattr(producer, "RETURNS", (talk.FOUND, talk.FAILED)),
            tool=getattr(producer, "TOOL", talk.TOOL),
            ends_with_tool=getattr(producer, "ENDS_WITH_TOOL", False),
        ),
        _plain(MessageToDict(encode_spans(spans.get_finished_spans()))),
        _plain(MessageToDict(encode_logs(made))) if made else None,
    )


def _packages(name: str) -> dict[str, str]:
    """Versions of what the producer's requirements name."""
    lines = (Path(__file__).parent / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    names = [line.partition("==")[0].partition("[")[0] for line in lines if line and line[0] != "#"]
    return {name: metadata.version(name) for name in names}


def _plain(message: Any, key: str = "") -> Any:
    """OTLP's JSON, whose ids are hex; folders of this machine are left out of stack traces."""
    if isinstance(message, dict):
        return {name: _plain(value, name) for name, value in message.items()}
    if isinstance(message, list):
        return [_plain(entry) for entry in message]
    if key in IDS:
        return shelf.hex_of(message)
    return (
        message.replace(sys.prefix, "").replace(sys.base_prefix, "") if isinstance(message, str) else message
    )


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    if rest:
        record(name, *rest)
    else:
        producer = importlib.import_module(f"tests.recordings.producers.{name}")
        # The environment is read where a package is imported.
        environment = {**os.environ, **getattr(producer, "ENVIRONMENT", {})}
        command = [sys.executable, "-m", __spec__.name, name]
        failed = [
            entry
            for entry in producer.INSTRUMENTATIONS
            if subprocess.run([*command, entry], env=environment).returncode
        ]
        if failed:
            sys.exit(f"Not recorded: {', '.join(failed)}.")
