"""What needs `ptrace` is collected where there is one: on Linux, x86-64 or ARM."""

from tests.faults.tracing import IS_POSSIBLE

collect_ignore = [] if IS_POSSIBLE else ["test_sweep.py", "test_power.py"]
