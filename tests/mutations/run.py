"""Runs the tests of what a mistake is in against each mistake, or those whose name has the given part.

A mistake is put into a copy of the package, which the tests then import. Exit status 1 if one goes unnoticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

from tests.mutations import capture, delivery, seeded
from tests.mutations.seeded import Mutation

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "greenflash_otel"
CONVERSATIONS = (
    "tests/test_values.py",
    "tests/conversations",
    "tests/test_sampling.py",
    "tests/test_restart.py",
    "tests/test_apart.py",
    "tests/delivery/test_state_table.py",
)
DELIVERY = ("tests/delivery/test_model.py", "tests/delivery", "tests/faults")
CAPTURE = (
    "tests/instrumentation/test_annotations.py",
    "tests/instrumentation/openai/test_asked_again.py",
    "tests/instrumentation/langchain/test_edited_calls.py",
)
QUICK = {"PYTHONDONTWRITEBYTECODE": "1", "MODEL_UNSHRUNK": "1"}


def source_of(mutation: Mutation, package: Path = PACKAGE) -> Path:
    """The file that a mistake is made in."""
    return package / f"{mutation.module}.py"


def is_noticed(mutation: Mutation, tests: Sequence[str]) -> bool:
    """Whether one of the tests fails for a mistake."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        module = source_of(mutation, copy)
        source = module.read_text(encoding="utf-8")
        if source.count(mutation.right) != 1:
            raise SystemExit(
                f"{mutation.module}.py has {mutation.right!r} {source.count(mutation.right)} times"
            )
        module.write_text(source.replace(mutation.right, mutation.wrong), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", *tests],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": folder, **QUICK},
            capture_output=True,
            check=False,
            timeout=600,
        )
        return done.returncode == 1


def main(part: str) -> int:
    """Try every mistake whose name has that part."""
    unnoticed = []
    mistakes: list[tuple[str, Mutation, Sequence[str]]] = [
        *zip(seeded.MUTATIONS, seeded.MUTATIONS.values(), repeat(CONVERSATIONS)),
        *zip(delivery.MUTATIONS, delivery.MUTATIONS.values(), repeat(DELIVERY)),
        *zip(capture.MUTATIONS, capture.MUTATIONS.values(), repeat(CAPTURE)),
    ]
    for name, mutation, tests in mistakes:
        if part in name:
            noticed = is_noticed(mutation, tests)
            unnoticed += [] if noticed else [name]
            print("noticed  " if noticed else "UNNOTICED", name, flush=True)  # noqa: T201 - a program
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
