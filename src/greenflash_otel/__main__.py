"""``python -m greenflash_otel``: the same as ``greenflash-otel``."""

from greenflash_otel.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
