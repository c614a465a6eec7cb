"""Names of operations that the application's own code records: no model call and no framework reports them."""

from __future__ import annotations

from greenflash_otel.model.operation import MEMORY_READ, MEMORY_WRITE, RETRIEVAL

SET_PROPERTIES = "set_properties"
"""Of an operation that says nothing but what its conversation context has."""
CALLBACK = "callback"
THOUGHT = "thought"
MODEL_STEP = "llm"
LOOKUPS = frozenset({RETRIEVAL, MEMORY_READ, MEMORY_WRITE})
"""Of operations that have a query and documents."""
OWN_STEP = "greenflash.step"
"""Type of the part that is the input or the output of a step, as an object."""
