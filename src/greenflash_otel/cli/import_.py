"""``greenflash-otel import``."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from greenflash_otel.cli.command_failure import CommandFailure
from greenflash_otel.cli.import_lines import import_lines
from greenflash_otel.cli.imported_file import ImportedFile, ImportTarget, OutOfRoomError
from greenflash_otel.importing.file_formats import AUTO, OTLP, READERS, find_format
from greenflash_otel.importing.piece import ImportRules
from greenflash_otel.importing.rehearsal import Rehearsal
from greenflash_otel.message_ids.ids import key_of
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import MOST_NAME_WAIT_S, Settings


def run(given: argparse.Namespace) -> int:
    """Back-fill what files report; 0 if all of it is delivered, 2 if a file cannot be what it should be."""
    settings = Settings.read(os.environ)
    if settings.name_wait_s:  # a name may come anywhere in the files
        settings = replace(settings, name_wait_s=MOST_NAME_WAIT_S)
    try:
        files = _find_formats(given)
    except OSError as error:
        return _refuse_file(error)
    rules = ImportRules(key_of(settings.id_key), settings.capture_content, given.at)
    if given.dry_run:
        return _rehearse(given, files, rules, settings)
    return _deliver(given, files, rules, settings)


def _find_formats(given: argparse.Namespace) -> Sequence[ImportedFile]:
    """Return the files, each with its format, and say what was found.

    Raises:
        OSError: A file cannot be read.
        CommandFailure: ``--from`` is given for a file that is not read by bytes.
    """
    files = []
    for name in given.files:
        path = Path(name)
        format = find_format(path) if given.format == AUTO else given.format
        files.append(ImportedFile(path, format))
        if given.format == AUTO and format != OTLP:
            print(f"{path}: read as {format}.", file=sys.stderr)
    if given.start and files[0].format != OTLP:
        raise CommandFailure(
            f"--from is for files of OTLP, and {files[0].path} is one of {files[0].format}",
            hint="Run the same command without it: what was imported before is not imported twice.",
        )
    files[0].start = given.start
    return files


def _deliver(
    given: argparse.Namespace, files: Sequence[ImportedFile], rules: ImportRules, settings: Settings
) -> int:
    pipeline = Pipeline(settings)
    delivered = False
    try:
        _import_all(pipeline, files, rules)
        delivered = pipeline.flush(given.timeout)
        code = _judge(files) or (0 if delivered else 1)
    except OutOfRoomError:
        code = 1
    except OSError as error:
        code = _refuse_file(error)
    except sqlite3.Error as error:
        code = _refuse_room(error)
    finally:
        pipeline.shutdown(0, settle=False)  # what waits when this is interrupted waits for the rest
        stats = pipeline.stats()
        if not given.json:
            print(stats)
    if given.json:
        counts = {name: asdict(stats)[name] for name in ("accepted", "delivered", "sampled_out", "pending")}
        more = {"rejected": stats.rejected, "lost": dict(stats.lost), "repaired": stats.repaired}
        _print_json(files, {"dry_run": False, **counts, **more, "exit": code})
    return code


def _rehearse(
    given: argparse.Namespace, files: Sequence[ImportedFile], rules: ImportRules, settings: Settings
) -> int:
    target = Rehearsal(settings)
    try:
        _import_all(target, files, rules)
        conversations = target.finish()
    except OSError as error:
        return _refuse_file(error)
    except sqlite3.Error as error:
        return _refuse_room(error)
    code, items = _judge(files), target.items
    if target.lost and not code:
        code = 1
    if given.json:
        counts = {"messages": items["messages"], "conversations": conversations, "outcomes": items["outcome"]}
        more = {"ratings": items["rating"], "requests": target.requests.total(), "lost": dict(target.lost)}
        _print_json(files, {"dry_run": True, **counts, **more, "exit": code})
        return code
    print(
        f"Would send {items['messages']} messages of {conversations} conversations, {items['outcome']} outcomes"
        f" and {items['rating']} ratings in {target.requests.total()} requests. Nothing was sent or stored."
    )
    return code


def _import_all(target: ImportTarget, files: Sequence[ImportedFile], rules: ImportRules) -> None:
    """Hand over what files have, one format after the other: outcomes come last.

    Raises:
        OutOfRoomError, OSError, sqlite3.Error: It cannot go on.
    """
    if of_otlp := [file for file in files if file.format == OTLP]:
        from greenflash_otel.cli.import_otlp import import_otlp

        import_otlp(target, of_otlp)
    for format in READERS:
        if of_format := [file for file in files if file.format == format]:
            import_lines(target, format, of_format, rules)


def _judge(files: Sequence[ImportedFile]) -> int:
    """Say what could not be read, and return the exit code for that."""
    for file in files:
        if said := file.describe_emptiness():
            print(said, file=sys.stderr)
    if any(file.is_wrong for file in files):
        return 2
    return 1 if any(file.problems for file in files) else 0


def _refuse_file(error: OSError) -> int:
    print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
    return 2


def _refuse_room(error: sqlite3.Error) -> int:
    print(f"No room in the folder of temporary files: {error}", file=sys.stderr)
    return 2


def _print_json(files: Sequence[ImportedFile], fields: Mapping[str, Any]) -> None:
    listed = [
        {
            "file": str(file.path),
            "format": file.format,
            "spans" if file.format == OTLP else "conversations": file.spans,
            "outcomes": file.outcomes,
            "problems": file.problems,
            "remarks": file.remarks,
        }
        for file in files
    ]
    print(json.dumps({"schema": "import/1", "files": listed, **fields}))
