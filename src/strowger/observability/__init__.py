"""What a process says of itself to whoever watches it: figures, and how late its loop is."""
