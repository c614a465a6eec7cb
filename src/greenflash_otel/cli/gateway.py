"""``greenflash-otel gateway``."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.limits import ContentLimits
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.gateway.signals import LOGS, TRACES
from greenflash_otel.gateway.tenants import read_tenants
from greenflash_otel.gateway.tls import Tls
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.set_up_report import describe_delivery
from greenflash_otel.settings import MEMORY, Settings

TOKENS = "GREENFLASH_GATEWAY_TOKENS"
SWITCH_INTERVAL_S = 0.001
"""How long a conversion may run before another thread has its turn: health checks are answered meanwhile."""
logger = logging.getLogger("greenflash_otel.gateway")


def serve(arguments: argparse.Namespace) -> int:
    """Take spans until Ctrl+C or SIGTERM, then deliver what can be delivered in time."""
    _log_to_stderr()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    tls = _read_tls(arguments)
    tokens = [token.strip() for token in os.environ.get(TOKENS, "").split(",") if token.strip()]
    closed = tokens or arguments.tenants or arguments.client_ca
    if not closed and arguments.host not in ("127.0.0.1", "::1", "localhost"):
        logger.warning("Anybody who reaches %s can send: set %s.", arguments.host, TOKENS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tenants = _read_tenants(arguments.tenants)
    pipelines = [pipeline for _, pipeline in tenants]
    try:
        receiver = OtlpReceiver(
            [tenant for tenant, _ in tenants],
            owned=arguments.tenants is None,
            tokens=tokens,
            limits=ContentLimits(max_bytes=arguments.max_body_mib << 20),
        )
        gateway = Gateway(receiver, arguments.host, arguments.port, grpc_port=arguments.grpc_port, tls=tls)
        for pipeline in pipelines:
            pipeline.resume()
        with _open_kafka(arguments, receiver):
            gateway.run(lambda: _announce(gateway, pipelines))
    finally:
        for pipeline in pipelines:
            pipeline.shutdown(settle=False)  # what it waits for comes to the next one
            print(pipeline.stats())
    return 0


def _log_to_stderr() -> None:
    """Show what the gateway has to say, unless logging was configured before."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    if logging.getLogger("greenflash_otel").level == logging.NOTSET:
        logging.getLogger("greenflash_otel").setLevel(logging.INFO)


def _open_kafka(arguments: argparse.Namespace, receiver: OtlpReceiver) -> AbstractContextManager[object]:
    """Return what reads from Kafka; an empty context if the arguments name none."""
    if arguments.kafka is None:
        return nullcontext()
    from greenflash_otel.gateway.kafka import KafkaReader  # is an extra

    options = {"bootstrap.servers": arguments.kafka, "group.id": arguments.kafka_group}
    if arguments.kafka_config is not None:
        options.update(_read_properties(arguments.kafka_config))
    return KafkaReader(receiver, {arguments.kafka_spans: TRACES, arguments.kafka_logs: LOGS}, options)


def _read_properties(path: Path) -> dict[str, str]:
    """Read the lines ``name=value`` of a file."""
    lines = [line.strip() for line in _read_text(path).splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None


def _read_tls(arguments: argparse.Namespace) -> Tls | None:
    if arguments.tls_cert is None and arguments.tls_key is None and arguments.client_ca is None:
        return None
    if arguments.tls_cert is None or arguments.tls_key is None:
        raise ConfigurationError("TLS needs --tls-cert and --tls-key")
    return Tls(arguments.tls_cert, arguments.tls_key, arguments.client_ca)


def _read_tenants(path: Path | None) -> Sequence[tuple[Tenant, Pipeline]]:
    """Return the gateway's own product, or those of a file, each with its own outbox."""
    if path is None:
        pipeline = Pipeline(Settings.read(os.environ))
        return [(Tenant(str(pipeline.settings.product_id), pipeline), pipeline)]
    found = []
    for entry in read_tenants(_read_text(path)):
        settings = Settings.read(os.environ, product_id=entry.product_id, api_key=entry.api_key)
        if settings.outbox != MEMORY:
            settings = replace(settings, outbox=str(Path(settings.outbox) / entry.product_id.lower()))
        pipeline = Pipeline(settings)
        tokens = (entry.api_key, *entry.tokens)
        found.append((Tenant(entry.product_id, pipeline, tokens), pipeline))
    return found


def _announce(gateway: Gateway, pipelines: Sequence[Pipeline]) -> None:
    """Print the addresses, for programs that start the gateway, and log them with what comes of the spans."""
    addresses = [f"OTLP/HTTP at {gateway.url}/v1/traces"]
    if gateway.grpc_port is not None:
        addresses.append(f"OTLP/gRPC at port {gateway.grpc_port}")
    print(*addresses, sep="\n", flush=True)
    logger.info("takes %s", ", ".join(addresses))
    for pipeline in pipelines:
        logger.info("%s", describe_delivery(pipeline.settings))
