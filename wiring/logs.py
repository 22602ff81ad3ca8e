"""How our loggers write: one record a line, control characters escaped, on standard error."""

import logging
import re
import sys

from settings import Settings

LOGGER = "rl_service"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLine(logging.Formatter):
    """Escapes what could forge a record; the lines of a traceback stay, indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the standard library's name
        """The record's own line."""
        return _escape(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return "\n    ".join(_escape(line) for line in super().format(record).split("\n"))


def configure_logs(settings: Settings) -> None:
    """Set up the loggers below `rl_service`; the same again changes nothing."""
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.DEBUG if settings.debug else settings.log_level.upper())
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
