"""What our loggers write, line by line; a process of its own where loggers are set up for good."""

import io
import logging
import re
import traceback
from collections.abc import Callable

import pytest

from tests.fakes.python import run_python
from wiring.logs import OneLine

RECORD = re.compile(r"^\S+ (DEBUG|INFO|WARNING|ERROR) \S+ ", re.MULTILINE)
FORGED = "2026-01-31 ERROR rl_service forged"
BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def written(log: Callable[[logging.Logger], None]) -> str:
    """What a logger with our format writes."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s %(message)s", datefmt="2026-01-31"))
    logger = logging.Logger("rl_service.test")
    logger.addHandler(handler)
    log(logger)
    return out.getvalue()


def fail(message: str) -> None:
    raise ValueError(message)


def log_failure(message: str) -> Callable[[logging.Logger], None]:
    """Logs an exception with this message."""

    def log(logger: logging.Logger) -> None:
        try:
            fail(message)
        except ValueError:
            logger.exception("it failed")

    return log


@pytest.mark.parametrize("separator", BREAKS)
def test_no_kind_of_line_break_in_a_message_starts_a_line(separator: str) -> None:
    text = written(lambda logger: logger.warning("symbol %s unknown", f"BTC{separator}{FORGED}"))
    assert len(text.splitlines()) == 1
    assert len(RECORD.findall(text)) == 1


@pytest.mark.parametrize("control", [*map(chr, range(0x20)), "\x7f", "\x80", "\x9b"])
def test_no_control_character_reaches_a_terminal(control: str) -> None:
    text = written(lambda logger: logger.warning("before%safter", control))
    assert control not in text.removesuffix("\n")
    assert "before\\" in text
    assert "after" in text


def test_an_escape_sequence_is_shown_not_obeyed() -> None:
    assert "\\x1b[2J" in written(lambda logger: logger.warning("\x1b[2Jcleared"))


def test_plain_text_of_any_alphabet_stays_as_it_is() -> None:
    assert written(lambda logger: logger.info("Größe 価格 ₿")).endswith("rl_service.test Größe 価格 ₿\n")


def test_a_traceback_keeps_its_lines_indented_below_its_record() -> None:
    first, *rest = written(log_failure("too small")).splitlines()
    assert first.endswith("rl_service.test it failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[0].strip() == "Traceback (most recent call last):"
    assert f"in {fail.__name__}" in "\n".join(rest)
    assert rest[-1].strip() == "ValueError: too small"


@pytest.mark.parametrize("separator", BREAKS)
def test_no_message_of_an_exception_starts_a_record(separator: str) -> None:
    text = written(log_failure(f"x{separator}{FORGED}"))
    assert len(RECORD.findall(text)) == 1
    assert not [line for line in text.splitlines() if line.startswith(FORGED)]


def test_a_name_of_a_logger_starts_no_line() -> None:
    def log(logger: logging.Logger) -> None:
        logger.name = f"rl\n{FORGED}"
        logger.warning("x")

    assert len(written(log).splitlines()) == 1


def test_the_traceback_of_a_record_stays_whole_for_other_handlers() -> None:
    seen = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    def log(logger: logging.Logger) -> None:
        logger.addHandler(Keeper())
        log_failure("too small")(logger)

    written(log)
    assert seen[0].exc_info is not None
    assert seen[0].exc_text == "".join(traceback.format_exception(seen[0].exc_info[1])).rstrip("\n")


CONFIGURE = """
import logging
from settings import read_settings
from wiring.logs import configure_logs
for _ in range({times}):
    configure_logs(read_settings())
logging.basicConfig(format="ROOT %(message)s", level=logging.DEBUG)
for level in ("debug", "info", "warning", "error"):
    getattr(logging.getLogger("rl_service.test"), level)("a record of level %s", level)
"""


def levels_written(times: int = 1, **environment: str) -> list[str]:
    """The levels that reach standard error, one for each line."""
    text = run_python(CONFIGURE.format(times=times), environment={"DEBUG": "", "LOG_LEVEL": ""} | environment)
    return [line.split()[-1] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("environment", "levels"),
    [
        ({}, ["info", "warning", "error"]),
        ({"LOG_LEVEL": "debug"}, ["debug", "info", "warning", "error"]),
        ({"LOG_LEVEL": "warning"}, ["warning", "error"]),
        ({"LOG_LEVEL": "error"}, ["error"]),
        ({"LOG_LEVEL": "error", "DEBUG": "true"}, ["debug", "info", "warning", "error"]),
    ],
)
def test_the_level_is_that_of_log_level_unless_debug_is_on(environment: dict[str, str], levels: list[str]) -> None:
    assert levels_written(**environment) == levels


def test_a_record_is_written_once_however_often_logs_are_set_up() -> None:
    assert levels_written(times=3, LOG_LEVEL="error") == ["error"]


def test_records_of_others_keep_their_own_format() -> None:
    code = CONFIGURE.format(times=1) + 'logging.getLogger("other").error("a\\nb")'
    assert run_python(code, environment={"DEBUG": "", "LOG_LEVEL": "error"}).endswith("ROOT a\nb\n")
