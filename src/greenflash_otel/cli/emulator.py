"""``greenflash-otel emulator``."""

from __future__ import annotations

import argparse

from greenflash_otel.emulator import run


def serve(arguments: argparse.Namespace) -> int:
    """Run the emulator until Ctrl+C."""

    def announce(url: str) -> None:
        print(f"A local Greenflash listens at {url}", flush=True)
        print(f"  export GREENFLASH_BASE_URL={url}/api/v1")
        print(f"  look at what arrives: {url}/")
        print(f"  as JSON: {url}/emulator/conversations", flush=True)

    run(
        arguments.host,
        arguments.port,
        arguments.database,
        arguments.api_key,
        allowed_hosts=arguments.allowed_host,
        announce=announce,
    )
    return 0
