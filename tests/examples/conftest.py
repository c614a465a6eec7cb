"""Chromium for the examples that have a page."""

from tests.viewer.conftest import browser

__all__ = ["browser"]
