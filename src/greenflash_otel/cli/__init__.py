"""The command line, ``greenflash-otel``: one module per command, each imported only when it is run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

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


SERVERS = frozenset({"gateway"})
"""Commands whose log is read long after: its lines have a time, and say at INFO what is served."""


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    root = argparse.ArgumentParser("greenflash-otel", description="Conversations and outcomes to Greenflash.")
    commands = root.add_subparsers(title="commands", required=True)

    emulator = commands.add_parser("emulator", help="run a local Greenflash", description=EMULATOR)
    emulator.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    emulator.add_argument("--port", type=int, default=8765, help="port to listen on (default %(default)s)")
    emulator.add_argument("--database", default=":memory:", help="SQLite file to keep everything in")
    emulator.add_argument("--api-key", help="the only key to accept; by default any")
    emulator.set_defaults(command="emulator:serve")

    demo = commands.add_parser("demo", help="see it work, without an account", description=DEMO)
    demo.add_argument("--keep", action="store_true", help="keep the emulator running until Ctrl+C")
    demo.add_argument("--outbox", help="folder of the outbox (default: a temporary one)")
    demo.add_argument("--pause", action="store_true", help="wait for Enter between capture and delivery")
    demo.set_defaults(command="demo:show")

    _add_gateway(commands)
    _add_import(commands)
    _add_outbox(commands)
    return root


def _add_import(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    importing = commands.add_parser(
        "import", help="back-fill from files of spans and log records", description=IMPORT
    )
    importing.add_argument("files", nargs="+", metavar="file")
    importing.add_argument(
        "--from", dest="start", type=int, default=0, help="byte of the first file to begin at"
    )
    importing.add_argument("--timeout", type=float, default=600.0, help="seconds (default %(default)s)")
    importing.set_defaults(command="import_:run")


def _add_outbox(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    outbox = commands.add_parser("outbox", help="look after what waits to be delivered")
    actions = outbox.add_subparsers(title="actions", required=True)
    flush = actions.add_parser("flush", help="deliver what waits", description=FLUSH)
    flush.add_argument("--timeout", type=float, default=60.0, help="seconds (default %(default)s)")
    flush.set_defaults(command="outbox:flush")
    status = actions.add_parser("status", help="say what waits, without sending", description=STATUS)
    status.set_defaults(command="outbox:status")
    listing = actions.add_parser("list", help="one line for each request in it", description=LIST)
    listing.set_defaults(command="outbox:show_all")
    exported = actions.add_parser("export", help="all of it as JSON, with content", description=EXPORT)
    exported.set_defaults(command="outbox:export")
    for name, about in (("show", SHOW), ("retry", RETRY), ("drop", DROP)):
        action = actions.add_parser(name, help=about[0], description=about[1])
        action.add_argument("names", nargs="*", metavar="name", help="as 'outbox list' shows it")
        action.add_argument("--rejected", action="store_true", help="all that were rejected")
        action.set_defaults(command=f"outbox:{name}")
    for action in actions.choices.values():
        action.add_argument(
            "--destination", metavar="ID", help="folder name or product of the one that is meant"
        )


def _add_gateway(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    gateway = commands.add_parser("gateway", help="take spans over OTLP", description=GATEWAY)
    gateway.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    gateway.add_argument("--port", type=int, default=4318, help="of OTLP/HTTP (default %(default)s)")
    gateway.add_argument("--grpc-port", type=int, metavar="PORT", help="of OTLP/gRPC, usually 4317")
    gateway.add_argument("--tls-cert", type=Path, metavar="PEM", help="certificate of the gateway")
    gateway.add_argument("--tls-key", type=Path, metavar="PEM", help="its key")
    gateway.add_argument("--client-ca", type=Path, metavar="PEM", help="whose certificates senders must show")
    gateway.add_argument("--tenants", type=Path, metavar="JSON", help="file of products and their API keys")
    gateway.add_argument("--kafka", metavar="BROKERS", help="read from Kafka too: host:port,host:port")
    gateway.add_argument(
        "--kafka-group", default="greenflash", help="gateways that share the work (default %(default)s)"
    )
    gateway.add_argument("--kafka-spans", default="otlp_spans", help="topic of spans (default %(default)s)")
    gateway.add_argument("--kafka-logs", default="otlp_logs", help="of log records (default %(default)s)")
    gateway.add_argument(
        "--kafka-config", type=Path, metavar="FILE", help="more for librdkafka, e.g. TLS: lines name=value"
    )
    gateway.add_argument(
        "--max-body-mib", type=int, default=64, help="largest request, unpacked too (default %(default)s)"
    )
    gateway.set_defaults(command="gateway:serve")


EMULATOR = (
    "A local stand-in for the Greenflash API, strict about its contract. Point GREENFLASH_BASE_URL at the "
    "address it prints; /emulator/conversations there shows what it has stored, what changed last first, and "
    "says where more is. Exit code 0: it ran until Ctrl+C; 2: it could not start."
)
GATEWAY = (
    "Takes spans and log records over OTLP/HTTP (protobuf and JSON; gzip, zstd) and OTLP/gRPC, from an "
    "OpenTelemetry Collector or straight from applications in any language, and delivers the conversations "
    "they describe. Settings come from the environment; GREENFLASH_GATEWAY_TOKENS, separated by commas, are "
    "the bearer tokens to ask for. Success is answered when all that a request reports is in the outbox."
)
IMPORT = (
    "Delivers the conversations that files of spans and log records describe, with their original times: OTLP "
    "as JSON, as JSON lines (the Collector's file exporter), or as protobuf, gzipped or not. Name all files "
    "in one call, in any order: log records say what was said in spans of other files. Importing a file again "
    "adds nothing that Greenflash has. Exit code 0: all delivered, or the files are empty; 1: something was not "
    "read or delivered; 2: a file is none of OTLP or cannot be read, or a setting is wrong."
)
DEMO = (
    "Runs a real OpenAI client against recorded answers and a local Greenflash, and prints the "
    "conversations that arrived."
)
FLUSH = (
    "Delivers what this and earlier processes left in the outbox (GREENFLASH_OUTBOX), with the settings of "
    "the environment. Exit code 0: all delivered; 1: something still waits, or was refused this time; "
    "2: a setting is wrong."
)
STATUS = "Takes over what processes that are gone have left in the outbox, counts it, and sends nothing."
LIST = "Name, size, conversation and state of each request; for what was refused, the reason."
EXPORT = "One JSON object per line, bodies included: what users said is in them."
SHOW = ("all about a request", "Prints requests with their content and, if they were refused, the reason.")
RETRY = (
    "let what was refused wait again",
    "Puts what was refused behind the other requests of its conversation.",
)
DROP = ("remove requests for good", "Removes requests, refused or waiting; what they carry is lost.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    parsed = make_parser().parse_args(arguments)
    module, _, function = parsed.command.partition(":")
    try:
        with log_to_stderr(is_server=module in SERVERS):
            code: int = getattr(import_module(f"greenflash_otel.cli.{module}"), function)(parsed)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        print(f"{error.name} is not installed: pip install 'greenflash-otel[{extra}]'", file=sys.stderr)
        return 2
    except BrokenPipeError:  # e.g. `outbox export | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return code
