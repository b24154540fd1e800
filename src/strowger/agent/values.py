"""Values that variables have."""

Scalar = str | int | float | bool | None
