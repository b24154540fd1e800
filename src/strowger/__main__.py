"""`python -m strowger` is the command line."""

import sys

from strowger.cli import main

sys.exit(main())
