"""Fakes of vendors' real protocols: classes for tests, and one server process for benchmarks.

`python -m tests.providers.vendors --port 9000` serves all of them: websockets at that port, HTTP
at the next. Each file keeps to what its vendor documents, refusals included.
"""
