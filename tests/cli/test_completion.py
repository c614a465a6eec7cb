"""``completion``: real shells complete commands, options, choices and files with the script."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import run_command

BASH = """
source "$SCRIPT"
COMP_WORDS=({words}) COMP_CWORD={last}
_greenflash_otel
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
CASES = [
    (["sh"], {"show"}),
    (["outbox", "r"], {"retry"}),
    (["show", "--cu"], {"--curl"}),
    (["--json-is-unknown", "show", "--cu"], {"--curl"}),
    (["completion", ""], {"bash", "zsh", "fish"}),
    (["emulator", "--database", "own-"], {"own-file"}),
    (["import", "own-"], {"own-file"}),
    (["tail", "--user", ""], set()),
]


@pytest.fixture
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The script of the shell that the test names."""
    printed, said = run_command("completion", request.param)
    assert said == ""
    path = tmp_path / "script"
    path.write_text(printed)
    (tmp_path / "own-file").touch()
    return path


def _find_shell(name: str) -> str:
    shell = shutil.which(name)
    if shell is None:
        pytest.skip(f"needs {name}")
    return shell


def _run(*command: str, script: Path) -> str:
    environment = {"PATH": os.environ["PATH"], "SCRIPT": str(script), "HOME": str(script.parent)}
    done = subprocess.run(
        command, env=environment, cwd=script.parent, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash(script: Path) -> None:
    for words, expected in CASES:
        quoted = " ".join(f"'{word}'" for word in ("greenflash-otel", *words))
        program = BASH.format(words=quoted, last=len(words))
        printed = _run(_find_shell("bash"), "--norc", "-c", program, script=script)
        found = set(filter(None, printed.splitlines()))
        assert {
            name for name in found if not name.startswith("-") or words[-1].startswith("-")
        } >= expected, words
        assert not (found and not expected)


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish(script: Path) -> None:
    for words, expected in CASES:
        line = " ".join(["greenflash-otel", *words])
        program = f"source $SCRIPT; complete -C '{line}'"
        printed = _run(_find_shell("fish"), "--no-config", "-c", program, script=script)
        assert {text.partition("\t")[0] for text in printed.splitlines()} >= expected, words


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh(script: Path) -> None:
    """Its words and their descriptions, with the functions that show them replaced by printing ones."""
    shell = _find_shell("zsh")
    shims = "compdef() {}; _describe() { print -l -- $nouns }; _files() { print -l *own* }"
    for words, expected in CASES:
        line = " ".join(f"'{word}'" for word in ("greenflash-otel", *words))
        begin = f"{shims}; compadd() {{ shift; print -l -- $@ }}; source $SCRIPT; words=({line})"
        program = f"{begin}; CURRENT={len(words) + 1}; _greenflash_otel"
        printed = _run(shell, "-f", "-c", program, script=script)
        assert {text.partition(":")[0] for text in printed.splitlines()} >= expected, words


@pytest.mark.parametrize("shell", ["csh", ""])
def test_another_shell(shell: str) -> None:
    """It says which there are."""
    assert "bash" in run_command("completion", *filter(None, [shell]), code=2)[1] + "bash" * (not shell)
