"""An empty project of a user, in which pytest runs as they would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

UNSEEN = ("GREENFLASH_", "PYTEST_", "COV_", "OTEL_")
"""Beginnings of variables of this run that the user's run must not see."""

LOOP_SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")
"""Without it pytest-asyncio warns."""


class Project:
    """A folder with a user's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"

    def write(self, **files: str) -> None:
        """Write Python files by name."""
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(dedent(text), encoding="utf-8")

    def test(self, *options: str, **variables: str) -> Run:
        """Run pytest with warnings as errors, and return what came of it."""
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
        return self.run(*command, *LOOP_SCOPE, *options, **variables)

    def run(self, *command: str, **variables: str) -> Run:
        """Run a command in the folder."""
        seen = {name: value for name, value in os.environ.items() if not name.startswith(UNSEEN)}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**seen, "XDG_STATE_HOME": str(self.state), **variables},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return Run(done.returncode, done.stdout + done.stderr)


class Run:
    """What a run of pytest said."""

    def __init__(self, code: int, output: str) -> None:
        self.code, self.output = code, output

    @property
    def counts(self) -> dict[str, int]:
        """How many tests passed, failed and so on."""
        lines = [line for line in self.output.splitlines() if re.search(r" in \d+\.\d+s", line)]
        found = re.findall(r"(\d+) (passed|failed|errors?|skipped)", lines[-1] if lines else "")
        return {kind.removesuffix("s") if kind == "errors" else kind: int(count) for count, kind in found}

    def __repr__(self) -> str:
        return self.output
