"""What all tables share: how their keys are named, and the conditions of small indexes."""

from sqlalchemy import (
    MetaData,
    text,
)

from strowger.lifecycle import TERMINAL

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

LIVE = text("status NOT IN ({})".format(", ".join(f"'{status}'" for status in sorted(TERMINAL))))
"""Condition of the small indexes that hold only calls that are not over."""

WAITING = text("gate = 'waiting'")
"""A call that a limit keeps from being dialled."""
BUSY = text("ended_at IS NULL AND (worker_id IS NOT NULL OR gate = 'released')")
"""A call that takes up a line, or is about to."""

UNSETTLED = text("state IN ('pending', 'waiting')")
