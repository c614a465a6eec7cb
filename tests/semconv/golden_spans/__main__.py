"""Write the operation into the files that have none yet."""

from __future__ import annotations

import json

from greenflash_otel.semconv import registry
from greenflash_otel.semconv.genai import attributes_of
from tests.semconv.golden_spans import HERE, span_in

for path in HERE.glob("*.json"):
    golden = json.loads(path.read_text(encoding="utf-8"))
    operation = registry.read(span_in(golden))
    if "operation" not in golden and operation:
        golden["operation"] = attributes_of(operation)
        path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
