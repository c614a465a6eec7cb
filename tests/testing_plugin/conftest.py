"""A user's project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing_plugin.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty one."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)
