"""``greenflash-otel emulator``."""

from __future__ import annotations

import argparse
import webbrowser

from greenflash_otel.cli.setting_options import read_secret
from greenflash_otel.cli.text_columns import discard_output, print_lines
from greenflash_otel.emulator import run
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.platform_support import has_screen


def serve(arguments: argparse.Namespace) -> int:
    """Run the emulator until Ctrl+C."""

    def announce(url: str) -> None:
        print(f"A local Greenflash listens at {url}", flush=True)
        print(f"  export GREENFLASH_BASE_URL={url}/api/v1")
        print(f"  look at what arrives: {url}/")
        print(f"  as JSON: {url}/emulator/conversations", flush=True)
        if arguments.open and has_screen():
            webbrowser.open(url)

    def report(line: str) -> None:
        if not arguments.quiet:
            try:
                print_lines([line])
            except OSError:  # who reads the lines has gone; requests are answered all the same
                discard_output()

    run(
        arguments.host,
        arguments.port,
        arguments.database,
        _read_only_key(arguments.only_key_file),
        allowed_hosts=arguments.allowed_host,
        max_conversations=arguments.max_conversations,
        announce=announce,
        report=report,
    )
    return 0


def _read_only_key(file: str | None) -> str | None:
    """Return the key of a file. An empty one would let everybody in, so it is refused."""
    if file is None:
        return None
    key = read_secret(file)
    if not key:
        raise ConfigurationError(f"{file}: it is empty; write the key that clients send")
    return key
