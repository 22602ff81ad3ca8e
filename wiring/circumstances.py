"""What this process decides by, to be written down once and named by every decision."""

import platform
from pathlib import Path

import numpy
import onnxruntime

from adapters.store.terms import Circumstances
from settings import Settings
from trading.exposure import SPOT
from trading.gate import Limits
from trading.terms import Terms


def circumstances(settings: Settings, *, market_source: str, service_version: str) -> Circumstances:
    """The terms of every decision of a worker with these settings; its desk takes limits and exposures from them."""
    terms = Terms(
        limits=Limits(
            signal_max_age_s=settings.signal_max_age_seconds,
            max_price_gap=settings.max_price_gap,
            dead_band=settings.order_dead_band,
        ),
        exposures=SPOT,
        fallback_exposure=settings.fallback_exposure,
        service_version=service_version,
    )
    return Circumstances(terms=terms, market_source=market_source, libraries=libraries())


def libraries() -> str:
    """What computes scores here: two machines that say the same here compute the same, to the last bit."""
    versions = f"numpy {numpy.__version__}, onnxruntime {onnxruntime.__version__}"
    return f"{versions}, {platform.machine()}, {_processor()}"


def _processor() -> str:
    # The kernels of both libraries are chosen by what the processor can do.
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else "unknown processor"
