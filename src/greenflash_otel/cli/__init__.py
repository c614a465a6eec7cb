"""The command line, ``greenflash-otel``: one module per command, each imported only when it is run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from greenflash_otel.cli.parser import make_parser
from greenflash_otel.cli.setting_options import set_from_options
from greenflash_otel.cli.stderr_log import log_to_stderr
from greenflash_otel.errors import ConfigurationError

EXTRAS = {
    "openai": "openai",
    "pydantic": "emulator",
    "starlette": "emulator",
    "uvicorn": "emulator",
    "google": "gateway",
    "prometheus_client": "gateway",
    "grpc": "grpc",
    "confluent_kafka": "kafka",
}
"""The extra that brings a module which may be missing."""


ENDED_BY_CTRL_C = frozenset({"emulator", "gateway"})
"""Commands that run until then, so that it is no failure."""
SERVERS = frozenset({"gateway"})
"""Commands whose log is read long after: its lines have a time, and say at INFO what is served."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    parsed = make_parser().parse_command(arguments)
    if not parsed.command:
        parsed.parser.print_help()
        return 0
    module, _, function = parsed.command.partition(":")
    try:
        with log_to_stderr(is_server=module in SERVERS), set_from_options(parsed):
            code: int = getattr(import_module(f"greenflash_otel.cli.{module}"), function)(parsed)
    except ConfigurationError as error:
        return _refuse(parsed, str(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        return _refuse(parsed, f"{error.name} is not installed: pip install 'greenflash-otel[{extra}]'")
    except BrokenPipeError:  # e.g. `outbox export | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 0 if module in ENDED_BY_CTRL_C else 130
    return code


def _refuse(parsed: argparse.Namespace, reason: str) -> int:
    print(reason, file=sys.stderr)
    if getattr(parsed, "json", False):
        print(json.dumps({"schema": "error/1", "error": reason, "exit": 2}))
    return 2


__all__ = ["EXTRAS", "main", "make_parser"]
