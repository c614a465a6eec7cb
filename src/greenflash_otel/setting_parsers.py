"""Make the values of settings from the texts of environment variables. Pure.

Each raises ValueError with what it wanted instead.
"""

from __future__ import annotations


def read_text(value: str) -> str:
    """Return the text as it is."""
    return value


def read_flag(value: str) -> bool:
    """Read whether something is on."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False}
    try:
        return {**words, "off": False}[value.strip().lower()]
    except KeyError:
        raise ValueError("true or false") from None


def read_content(value: str) -> bool:
    """Read whether content is captured, also in the words of OpenTelemetry's variable."""
    modes = {"SPAN_ONLY": True, "SPAN_AND_EVENT": True, "NO_CONTENT": False, "EVENT_ONLY": False}
    try:
        return modes[value.strip().upper()] if value.strip().upper() in modes else read_flag(value)
    except ValueError:
        raise ValueError(f"true, false, {', '.join(modes)}") from None


def read_rate(value: str) -> float:
    """Read a share from 0 to 1."""
    try:
        return float(value)
    except ValueError:
        raise ValueError("a number from 0 to 1") from None


def read_seconds(value: str) -> float:
    """Read a number of seconds."""
    try:
        return float(value)
    except ValueError:
        raise ValueError("a number of seconds") from None


def read_bytes(value: str) -> int:
    """Read a number of bytes."""
    try:
        return int(value)
    except ValueError:
        raise ValueError("a number of bytes") from None


def read_names(value: str) -> tuple[str, ...]:
    """Read names, separated by commas."""
    return tuple(name.strip() for name in value.split(",") if name.strip())
