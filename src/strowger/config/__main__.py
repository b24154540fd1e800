"""Prints docs/reference/configuration.md."""

import sys

from strowger.config import reference

sys.stdout.write(reference())
