"""What a process does with its memory once everything it needs is loaded."""

import ctypes
import gc


def settle_memory() -> None:
    """Give back what loading took, and keep the collector off what stays."""
    gc.collect()
    gc.freeze()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # no glibc: others give memory back by themselves, or not
        return
    trim(0)
