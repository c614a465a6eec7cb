"""The option ``--json``, which many commands have."""

from __future__ import annotations

import argparse


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that makes a command print JSON, and nothing else, to standard output."""
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
