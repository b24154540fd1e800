"""Strowger: phone calls that an AI agent conducts."""

__version__ = "0.1.0"
