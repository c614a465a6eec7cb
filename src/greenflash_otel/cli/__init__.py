"""The command line, ``greenflash-otel``: one module per command, each imported only when it is run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module

from greenflash_otel.cli.command_failure import CommandFailure
from greenflash_otel.cli.parser import make_parser
from greenflash_otel.cli.setting_options import set_from_options
from greenflash_otel.cli.stderr_log import log_to_stderr
from greenflash_otel.cli.text_columns import discard_output
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.visible_text import escape_controls

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


ENDED_BY_CTRL_C = frozenset({"emulator", "gateway", "tail"})
"""Commands that run until then, so that it is no failure."""
INTERRUPTED = 130
READER_GONE = 141
"""As a shell reports SIGINT and SIGPIPE."""
SERVERS = frozenset({"gateway"})
"""Commands whose log is read long after: its lines have a time, and say at INFO what is served."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()  # also what --help printed, which has its own way out
    except BrokenPipeError:  # e.g. `conversations | head -1`: who reads has enough
        discard_output()
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Sequence[str] | None) -> int:
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
    except CommandFailure as failure:
        return _refuse(parsed, str(failure), hint=failure.hint, code=failure.code)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        return _refuse(parsed, f"{error.name} is not installed: pip install 'greenflash-otel[{extra}]'")
    except KeyboardInterrupt:
        if module in ENDED_BY_CTRL_C:
            return 0
        raise
    return code


def _refuse(parsed: argparse.Namespace, reason: str, *, hint: str = "", code: int = 2) -> int:
    for line in filter(None, (reason, hint)):
        print(escape_controls(line), file=sys.stderr)
    if getattr(parsed, "json", False):
        hints = {"hint": hint} if hint else {}
        print(json.dumps({"schema": "error/1", "error": reason, **hints, "exit": code}))
    return code


__all__ = ["EXTRAS", "main", "make_parser"]
