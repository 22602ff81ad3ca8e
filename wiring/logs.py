"""How our loggers write: one record a line, control characters escaped, on standard error."""

import logging
import re
import sys

from settings import Settings

LOGGER = "rl_service"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]|\n(?!\s)")


class OneLine(logging.Formatter):
    """Escapes what could forge a record; the lines of a traceback stay, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        text = super().format(record).replace("\n", "\n    ")
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def configure_logs(settings: Settings) -> None:
    """Set up the loggers below `rl_service`; the same again changes nothing."""
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.DEBUG if settings.debug else settings.log_level.upper())
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
