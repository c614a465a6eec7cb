"""Runs the tests of the conversation model against each mistake, or those whose name has the given part.

A mistake is put into a copy of the package, which the tests then import. Exit status 1 if one goes unnoticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutations.seeded import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "greenflash_otel"
TESTS = (
    "tests/conversations",
    "tests/test_sampling.py",
    "tests/test_restart.py",
    "tests/delivery/test_notebook.py",
)


def is_noticed(mutation: Mutation) -> bool:
    """Whether a test fails for a mistake."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        module = copy / f"{mutation.module}.py"
        if not module.exists():
            module = copy / "conversations" / f"{mutation.module}.py"
        source = module.read_text(encoding="utf-8")
        if source.count(mutation.right) != 1:
            raise SystemExit(
                f"{mutation.module}.py has {mutation.right!r} {source.count(mutation.right)} times"
            )
        module.write_text(source.replace(mutation.right, mutation.wrong), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", *TESTS],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=False,
            timeout=300,
        )
        return done.returncode == 1


def main(part: str) -> int:
    """Try every mistake whose name has that part."""
    unnoticed = []
    for name, mutation in MUTATIONS.items():
        if part in name:
            noticed = is_noticed(mutation)
            unnoticed += [] if noticed else [name]
            print("noticed  " if noticed else "UNNOTICED", name, flush=True)  # noqa: T201 - a program
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
