"""What a process does with its memory once everything it needs is loaded."""

import ctypes
import gc

COLLECT_AFTER = 10_000, 20, 20
"""New objects before the collector looks at the young ones, and rounds before the older ones. Calls
make few cycles, and looking stops all of them."""


def settle_memory() -> None:
    """Give back what loading took, and keep the collector off what stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # no glibc: others give memory back by themselves, or not
        return
    trim(0)
