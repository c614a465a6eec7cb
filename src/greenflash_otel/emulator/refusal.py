"""Refuse a request. It becomes ``{"success": false, "message": ...}``."""

from __future__ import annotations


class Refused(Exception):
    """A request that is not carried out. Nothing of it was stored."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status of the answer."""
        self.message = message
        """What is wrong and what to write, for the person who reads the client's log."""
