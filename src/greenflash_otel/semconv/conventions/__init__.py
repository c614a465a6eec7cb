"""One reader per instrumentation convention."""
