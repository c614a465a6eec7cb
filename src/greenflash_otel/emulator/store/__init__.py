"""Everything the emulator was sent, in one SQLite file: ``writing`` puts it in, ``reading`` takes it out."""

from greenflash_otel.emulator.store.database import Change, Store

__all__ = ["Change", "Store"]
