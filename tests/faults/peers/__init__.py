"""The same faults for others: what becomes of what an application hands to libraries that send telemetry."""
