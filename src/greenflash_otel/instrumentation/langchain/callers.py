"""What only the code of LangChain that reports a run knows: the config of that run, and whether its stream was left.

Callbacks are not given the ``configurable`` of a run, and a stream that its reader leaves is reported as one that
ended well. Both are in the frame that calls back. Where it has another form, nothing is found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

OWN = ("greenflash_otel.instrumentation.langchain", "greenflash_otel.internal_errors")
"""How our modules begin that are between LangChain and this one."""
FRAMEWORK = ("langchain", "langgraph")
"""How the modules of those begin that call back."""
STREAMS = ("_transform_stream_with_config", "_atransform_stream_with_config")
"""LangChain's functions that read the stream of a chain, as ``iterator``."""


def read_callers_configurable() -> Mapping[str, Any]:
    """Return what the application gave as ``configurable`` to the run that is being reported."""
    for frame in _list_callers():
        if "config" in frame.f_code.co_varnames:
            config = frame.f_locals.get("config")
            configurable = config.get("configurable") if isinstance(config, Mapping) else None
            if isinstance(configurable, Mapping):
                return configurable
    return {}


def is_stream_left() -> bool:
    """Return whether the chain that reports its end had more to say, had its reader read on."""
    for frame in _list_callers():
        if frame.f_code.co_name in STREAMS:
            return getattr(frame.f_locals.get("iterator"), "gi_frame", None) is not None
    return False


def _list_callers() -> Iterator[FrameType]:
    """Return the frames of LangChain's that called us, from the inside out, up to the application's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.startswith(FRAMEWORK):
            yield frame
        elif not module.startswith(OWN):
            return
        frame = frame.f_back
