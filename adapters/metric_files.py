"""What processes counted that are gone: one file a kind, so that files do not pile up and no counter ever falls."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

ADDED_UP = ("counter", "histogram", "summary")
LOCK = "lock"


@contextmanager
def undisturbed(folder: Path) -> Iterator[None]:
    """Read the files of a folder while none of them is buried."""
    with (folder / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def bury(folder: Path, pid: int) -> bool:
    """Add what a dead process counted to what all dead ones counted, and remove its files.

    Never waits: False when somebody reads, to be tried again. A gauge of a process that is gone says nothing: it goes.
    """
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        for kind in ADDED_UP:
            with suppress(FileNotFoundError):
                _add(folder / f"{kind}_{pid}.db", folder / f"{kind}_dead.db")
        for path in folder.glob(f"gauge_*_{pid}.db"):
            path.unlink(missing_ok=True)
    return True


def _add(counted: Path, dead: Path) -> None:
    totals = {key: value for key, value, *_ in MmapedDict.read_all_values_from_file(counted)}  # type: ignore[no-untyped-call]
    if dead.exists():
        for key, value, *_ in MmapedDict.read_all_values_from_file(dead):  # type: ignore[no-untyped-call]
            totals[key] = totals.get(key, 0.0) + value
    # A name that readers do not look for until it is whole.
    new = dead.with_suffix(".new")
    new.unlink(missing_ok=True)
    sums = MmapedDict(str(new))  # type: ignore[no-untyped-call]
    for key, value in totals.items():
        sums.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    sums.close()  # type: ignore[no-untyped-call]
    new.replace(dead)
    counted.unlink()
