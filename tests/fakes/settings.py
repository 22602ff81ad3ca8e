"""Settings on a folder of their own, whatever the environment says, and a small file of bars."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from settings import Settings

HOUR = timedelta(hours=1)


def settings(folder: Path, **changes: object) -> Settings:
    """The defaults, with DATA_DIR and BENTOML_HOME in `folder`, changed where told."""
    defaults = {name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()}
    return Settings(**(defaults | {"data_dir": folder / "data", "bentoml_home": folder / "bentoml"} | changes))


def ohlcv_file(path: Path, start: datetime, *, bars: int = 700, without: Sequence[int] = ()) -> Path:
    """Hourly bars in a row at a price of 100 and a volume of 10, but for those at the places in `without`."""
    opens = [start + place * HOUR for place in range(bars) if place not in without]
    rows = [f"{moment.isoformat()},100,100,100,100,10" for moment in opens]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows, ""]))
    return path
