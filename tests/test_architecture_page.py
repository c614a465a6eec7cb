"""The page about the architecture names what there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "greenflash_otel"
LAYERS = re.compile(r"^\| (`[^|]*`) \|", re.MULTILINE)


def list_modules() -> set[str]:
    """Return the names of the modules and packages at the top."""
    found = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    return found - {"__init__", "__main__"}


def test_each_module_has_a_row_in_the_table_of_layers() -> None:
    """A newcomer finds what it is for, and no row is about a module that is gone."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [name for row in LAYERS.findall(page) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(rows) == sorted(list_modules())


def test_each_path_for_contributors_exists() -> None:
    """The paths of the first changes lead somewhere: below the root, or below the package."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = {
        path for path in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|md|txt|json))`", page) if "acme" not in path
    }
    assert {path for path in paths if not (ROOT / path).exists() and not (PACKAGE / path).exists()} == set()
    assert len(paths) > 4
