"""When secrets that sign what is sent to customers are changed."""

OVERLAP = 86_400.0
"""Seconds for which the old secret signs as well after a rotation: receivers need some time."""
