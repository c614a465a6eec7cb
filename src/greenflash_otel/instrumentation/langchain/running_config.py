"""The config that LangChain runs the running code with: which run it is of, and what the application gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config


def read_running_id() -> UUID | None:
    """Id of the run whose config the running code has."""
    config = var_child_runnable_config.get()
    callbacks = config.get("callbacks") if config else None
    id = getattr(callbacks, "parent_run_id", None)
    return id if isinstance(id, UUID) else None


def read_configurable() -> Mapping[str, Any]:
    """What the application gave as ``configurable``, as far as the running step has it."""
    config = var_child_runnable_config.get()
    configurable: Any = config.get("configurable") if config else None
    return configurable if isinstance(configurable, Mapping) else {}
