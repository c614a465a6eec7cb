"""``greenflash-otel doctor``: check this installation."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict

from greenflash_otel.checkup import examine
from greenflash_otel.cli.command_parser import read_version


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; 1 if something failed, with --strict also if there is a warning."""
    checkup = examine(os.environ)
    if arguments.json:
        findings = [asdict(finding) for finding in checkup.findings]
        ok = {"schema": "doctor/1", "ok": checkup.is_ok, "version": read_version(), "findings": findings}
        print(json.dumps(ok))
    else:
        print(f"greenflash-otel {read_version()}, Python {platform.python_version()}, {platform.system()}")
        print(checkup)
    return 1 if not checkup.is_ok or (arguments.strict and checkup.count("warn")) else 0
