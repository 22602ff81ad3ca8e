"""What the options of the policy commands may say; each reader raises ArgumentTypeError with the reason."""

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

# Where `import` and `ensemble` write: the service looks in DATA_DIR/bundles, and this is its default.
OWN_BUNDLES = Path(".data/bundles")
TIMEFRAME_UNITS_S = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
MOST_BPS = 1_000.0


def timeframe_s(text: str) -> int:
    """Seconds of `15m`, `1h`, `1d`."""
    number, unit = text[:-1], text[-1:]
    if unit not in TIMEFRAME_UNITS_S or not (number.isdecimal() and len(number) < 10) or int(number) == 0:
        raise ArgumentTypeError(f"{text!r} is not a number of {', '.join(TIMEFRAME_UNITS_S)}, as in 15m, 1h, 1d")
    return int(number) * TIMEFRAME_UNITS_S[unit]


def timeframe_label(timeframe_s: int) -> str:
    """`1h` for 3600, `15m` for 900."""
    units = TIMEFRAME_UNITS_S.items()
    unit, length_s = next((unit, length_s) for unit, length_s in units if timeframe_s % length_s == 0)
    return f"{timeframe_s // length_s}{unit}"


def symbol_and_path(text: str) -> tuple[str, Path]:
    """The two sides of `BTC=bars.csv`."""
    symbol, separator, path = text.partition("=")
    if not separator or not symbol or not path:
        raise ArgumentTypeError(f"{text!r} is not SYMBOL=FILE, as in BTC=bars.csv")
    return symbol, Path(path)


def exposure(text: str) -> float:
    """A finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentTypeError(f"{text!r} is not a finite number")
    return number


def exposure_levels(text: str) -> tuple[float, ...]:
    """The numbers of `0,0.5,1`: two or more, each once, in the order of the outputs."""
    levels = tuple(exposure(level) for level in text.split(","))
    if len(levels) < 2 or len(set(levels)) < len(levels):
        raise ArgumentTypeError(f"{text!r} is not two or more exposures, each once, as in 0,0.5,1")
    return levels


def basis_points(text: str) -> float:
    """A cost in 0..MOST_BPS."""
    bps = exposure(text)
    if not 0.0 <= bps <= MOST_BPS:
        raise ArgumentTypeError(f"{text!r} is not in 0..{MOST_BPS:g} basis points")
    return bps


def whole(*, at_least: int, at_most: int) -> Callable[[str], int]:
    """Reads an integer in this range."""

    def read(text: str) -> int:
        number = int(text) if text.isdecimal() and len(text) < 20 else -1
        if not at_least <= number <= at_most:
            raise ArgumentTypeError(f"{text!r} is not a whole number in {at_least}..{at_most}")
        return number

    return read
