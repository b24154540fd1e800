"""How every process writes its log lines."""

import logging
import sys
from typing import TextIO

import structlog
from opentelemetry import trace

from strowger.config import Settings
from strowger.log_stream import lossy


def configure_logging(settings: Settings, process: str, stream: TextIO | None = None) -> None:
    """Log lines on standard error, with the process and, within a call, its id."""
    lines = lossy(stream or sys.stderr)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables: these hold passwords and what people said.
    renderer: list[structlog.typing.Processor] = [
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    ]
    if settings.log_format == "json":
        without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        renderer = [
            structlog.processors.ExceptionRenderer(without_locals),
            structlog.processors.JSONRenderer(),
        ]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(lines),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(stream=lines, level=max(level, logging.WARNING))


def _add_trace(
    logger: object, method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """The trace a line belongs to, where traces are kept."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = trace.format_trace_id(context.trace_id)
    return line
