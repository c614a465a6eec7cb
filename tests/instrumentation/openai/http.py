"""The HTTP library that the installed openai is built on: httpx2 from 3.0 on, httpx before."""

from __future__ import annotations

from typing import Any

from openai import _base_client

_module: Any = _base_client  # which of the two it imports depends on its version
http: Any = getattr(_module, "httpx2", None) or _module.httpx
