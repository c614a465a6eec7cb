"""The parser of the command line: every command, its options and its help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from greenflash_otel.cli.argument_types import read_at_ms, read_positive
from greenflash_otel.cli.command_parser import CommandParser, read_version
from greenflash_otel.cli.json_option import add_json
from greenflash_otel.cli.reading_parsers import add_reading_commands
from greenflash_otel.cli.setting_options import add_settings

FORMATS = ("auto", "otlp", "openai-batch", "chat", "fine-tuning", "outcomes")
"""Formats of files for an import; a test compares them with its readers."""

Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"


def make_parser() -> CommandParser:
    """Make the parser of the whole command line."""
    root = CommandParser("greenflash-otel", description=ROOT)
    root.set_defaults(command="", parser=root)
    root.add_argument("--version", action="version", version=f"greenflash-otel {read_version()}")
    commands = root.add_subparsers(title="commands")

    _add_emulator(commands)
    _add_demo(commands)
    _add_gateway(commands)
    _add_import(commands)
    _add_outbox(commands)
    settings = commands.add_parser(
        "settings", help="every setting, and where it comes from", description=SETTINGS_TEXT
    )
    add_json(settings)
    add_settings(settings)
    settings.set_defaults(command="settings:show", parser=settings)

    doctor = commands.add_parser("doctor", help="check this installation", description=DOCTOR)
    doctor.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    add_json(doctor)
    add_settings(doctor)
    doctor.set_defaults(command="doctor:run", parser=doctor)
    add_reading_commands(commands)
    return root


def _add_emulator(commands: Commands) -> None:
    emulator = commands.add_parser("emulator", help="run a local Greenflash", description=EMULATOR)
    emulator.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    emulator.add_argument("--port", type=int, default=8765, help="port to listen on (default %(default)s)")
    emulator.add_argument("--database", default=":memory:", help="SQLite file to keep everything in")
    emulator.add_argument(
        "--max-conversations",
        type=read_positive,
        metavar="N",
        help="conversations to keep: one more, and the one that changed first goes with all that belongs to it; "
        "by default all stay",
    )
    emulator.add_argument(
        "--api-key-file",
        dest="only_key_file",
        metavar="FILE",
        help="file of the only key to accept, and to open the pages; by default any",
    )
    emulator.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME", help="answer to this host name too"
    )
    emulator.add_argument("--open", action="store_true", help="open its page in a browser")
    emulator.add_argument("--quiet", action="store_true", help="print no line for each request")
    emulator.set_defaults(command="emulator:serve", parser=emulator)


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="see it work, without an account", description=DEMO)
    demo.add_argument(
        "--keep", action="store_true", help="keep the emulator running until Ctrl+C, as on a terminal"
    )
    demo.add_argument("--no-open", action="store_true", help="on a terminal, end without opening the page")
    demo.add_argument("--outbox", help="folder of the outbox (default: a temporary one)")
    demo.add_argument("--pause", action="store_true", help="wait for Enter between capture and delivery")
    demo.set_defaults(command="demo:show", parser=demo)


def _add_import(commands: Commands) -> None:
    importing = commands.add_parser(
        "import", help="back-fill from files of conversations and outcomes", description=IMPORT
    )
    importing.add_argument("files", nargs="+", metavar="file")
    importing.add_argument(
        "--format",
        choices=FORMATS,
        default="auto",
        help="of the files (default %(default)s: what is in them)",
    )
    importing.add_argument(
        "--dry-run", action="store_true", help="say what would be sent; send and store nothing"
    )
    importing.add_argument(
        "--at",
        type=read_at_ms,
        metavar="TIME",
        help="of what has no time (default: when its file was changed)",
    )
    importing.add_argument(
        "--from", dest="start", type=int, default=0, help="byte of the first file to begin at; of OTLP only"
    )
    importing.add_argument("--timeout", type=float, default=600.0, help="seconds (default %(default)s)")
    importing.set_defaults(command="import_:run", parser=importing)
    add_json(importing)
    add_settings(importing)


def _add_outbox(commands: Commands) -> None:
    outbox = commands.add_parser("outbox", help="look after what waits to be delivered", description=OUTBOX)
    outbox.set_defaults(command="", parser=outbox)
    actions = outbox.add_subparsers(title="actions")
    flush = actions.add_parser("flush", help="deliver what waits", description=FLUSH)
    flush.add_argument("--timeout", type=float, default=60.0, help="seconds (default %(default)s)")
    actions.add_parser("status", help="say what waits, without sending", description=STATUS)
    listing = actions.add_parser("list", help="one line for each request in it", description=LIST)
    listing.add_argument("--limit", type=int, default=50, help="lines; 0 for all (default %(default)s)")
    actions.add_parser("export", help="all of it as JSON, with content", description=EXPORT)
    for name, about in (("show", SHOW), ("retry", RETRY), ("drop", DROP)):
        action = actions.add_parser(name, help=about[0], description=about[1])
        action.add_argument("names", nargs="*", metavar="name", help="as 'outbox list' shows it")
        action.add_argument("--rejected", action="store_true", help="all that were rejected")
    actions.choices["drop"].add_argument("--yes", action="store_true", help="drop without a question")
    purge = actions.add_parser("purge", help="remove all of one user", description=PURGE)
    purge.add_argument("--user", required=True, metavar="ID", help="your id of the user, or Greenflash's")
    purge.add_argument("--yes", action="store_true", help="remove without a question")
    for name, action in actions.choices.items():
        action.add_argument(
            "--destination", metavar="ID", help="folder name or product of the one that is meant"
        )
        if name in ("status", "list", "show", "export", "purge"):
            add_json(action)
        function = "show_all" if name == "list" else name
        action.set_defaults(command=f"outbox:{function}", parser=action)
        add_settings(action, ("outbox", "base_url", "product_id", "api_key"))


def _add_gateway(commands: Commands) -> None:
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
    gateway.set_defaults(command="gateway:serve", parser=gateway)
    add_settings(gateway)


ROOT = (
    "Conversations and outcomes to Greenflash. Exit codes: 0: done; 1: something was not, and it says what; 2: the "
    "command, a setting or a file is wrong; 130: interrupted; 141: who read the output has gone."
)
DOCTOR = (
    "Checks the settings, the way to Greenflash, the outbox and what is installed, and names one next step for each "
    "fault. It asks Greenflash for the products of the account, and sends nothing else. Exit code 0: nothing failed; "
    "1: something did, or there is a warning and --strict."
)
SETTINGS_TEXT = (
    "Every setting with its value and the option or variable that it comes from, or 'default'. Keys are never "
    "shown. It names variables that look like ours and are none. Exit code 0: all can be used; 2: one is wrong."
)
OUTBOX = (
    "What waits in the outbox, and what was rejected. It contains a folder for each destination; files of running "
    "processes are theirs and are only counted."
)
EMULATOR = (
    "A local stand-in for the Greenflash API, strict about its contract. Point GREENFLASH_BASE_URL at the "
    "address it prints, and open that address in a browser to see what arrives. /emulator/conversations "
    "there has it as JSON. It prints a line for each request that would change something. Exit code 0: it "
    "ran until Ctrl+C; 2: it could not start."
)
GATEWAY = (
    "Takes spans and log records over OTLP/HTTP (protobuf and JSON; gzip, zstd) and OTLP/gRPC, from an "
    "OpenTelemetry Collector or straight from applications in any language, and delivers the conversations "
    "they describe. GREENFLASH_GATEWAY_TOKENS, separated by commas, are "
    "the bearer tokens to ask for. Success is answered when all that a request reports is in the outbox. Exit code "
    "0: it ran until it was stopped; 2: it could not start."
)
IMPORT = (
    "Delivers the conversations and outcomes of files, with their original times. Formats: otlp: spans and log "
    "records, as JSON, as JSON lines (the Collector's file exporter), or as protobuf; chat: JSON lines of "
    "conversations or of messages; openai-batch: the input and output files of OpenAI's Batch API; fine-tuning: "
    "OpenAI's training files; outcomes: CSV or JSON lines. Each may be gzipped. Name all files "
    "in one call, in any order: log records say what was said in spans of other files. Importing a file again "
    "adds nothing that Greenflash has, so an import that was interrupted is run again. Exit code 0: all delivered, or "
    "the files are empty; 1: something was not read or delivered; 2: a file is none of its format or cannot be read, "
    "or a setting is wrong."
)
DEMO = (
    "Runs a real OpenAI client against recorded answers and a local Greenflash, and prints the "
    "conversations that arrived. On a terminal it then opens a page with them, and runs until Ctrl+C. "
    "Exit code 0: all arrived; 1: something did not; 2: the extra is not installed."
)
FLUSH = (
    "Delivers what this and earlier processes left in the outbox (GREENFLASH_OUTBOX), with the settings of "
    "the environment. Exit code 0: all delivered; 1: something still waits, or was refused this time; "
    "2: a setting is wrong."
)
STATUS = (
    "Takes over what processes that are gone have left in the outbox, counts it, and sends nothing. Exit code 0, "
    "whatever waits; 2: the outbox cannot be used, or a setting is wrong."
)
LIST = (
    "One line for each request, the newest first, separated by tabs: name, age, tries, items, what it is, and "
    "the reason if it was refused, else 'waits'. The age is that of the newest thing in it. The tries of what waits "
    "are not stored. Exit code 0, also if nothing is there; 2: the outbox cannot be used, or a setting is wrong."
)
EXPORT = (
    "One JSON object per line (schema outbox-entry/1), what waits first, the oldest first, bodies included: what "
    "users said is in them. Exit code 0, also if nothing is there; 2: the outbox cannot be used."
)
SHOW = (
    "all about a request",
    "Prints requests as JSON (schema outbox-entry/1), with their content and, if they were refused, the reason. "
    "Exit code 0: done; 2: a name is unknown or missing, or the outbox cannot be used.",
)
RETRY = (
    "let what was refused wait again",
    "Puts what was refused behind the other requests of its conversation. Exit code 0: all wait again; 1: some "
    "stay, as they are damaged or wait already; 2: a name is unknown or missing, or the outbox cannot be used.",
)
DROP = (
    "remove requests for good",
    "Removes requests, refused or waiting; what they carry is lost. On a terminal it asks first; elsewhere it needs "
    "--yes. Exit code 0: removed; 1: the answer was no; 2: a name is unknown or missing, or --yes is.",
)
PURGE = (
    "Removes what waits or was refused and is of one user: what they said, what was said of them, and what is of their "
    "conversations. All destinations are looked through, unless one is named. On a terminal it asks first; elsewhere "
    "it needs --yes. It does not reach what Greenflash has, what is not converted yet, or files of running processes. "
    "Exit code 0: nothing of the user is left here; 1: the answer was no, or something is not converted yet; 2: --yes "
    "is missing, or the outbox cannot be used."
)
