"""`python -m strowger.api.dialects` prints docs/reference/dialects/README.md."""

from strowger.api.dialects.spoken import page

print(page(), end="")  # noqa: T201
