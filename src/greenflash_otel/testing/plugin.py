"""The plugin, for projects where pytest does not find it: ``pytest_plugins = ["greenflash_otel.testing.plugin"]``.

Elsewhere pytest finds it by its entry point, and this does nothing.
"""

from __future__ import annotations

import pytest

import _greenflash_otel_pytest

NAME = "greenflash"


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin, unless that is done or it is turned off."""
    if not config.pluginmanager.is_registered(_greenflash_otel_pytest):
        config.pluginmanager.register(_greenflash_otel_pytest, NAME)
