"""``greenflash-otel gateway``."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from greenflash_otel.gateway.server import Gateway
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings

TOKENS = "GREENFLASH_GATEWAY_TOKENS"


def serve(given: argparse.Namespace) -> int:
    """Take spans until Ctrl+C or SIGTERM, then deliver what can be delivered in time."""
    tokens = [token.strip() for token in os.environ.get(TOKENS, "").split(",") if token.strip()]
    if not tokens and given.host not in ("127.0.0.1", "::1", "localhost"):
        print(f"Anybody who reaches {given.host} can send: set {TOKENS}.", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    pipeline = Pipeline(Settings.read(os.environ))
    try:
        gateway = Gateway(
            pipeline, given.host, given.port, tokens=tokens, max_body_bytes=given.max_body_mib << 20
        )
        gateway.run(lambda url: print(f"OTLP/HTTP at {url}/v1/traces", flush=True))
    finally:
        pipeline.shutdown()
        print(pipeline.stats())
    return 0
