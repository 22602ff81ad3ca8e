"""The clock whose moments are compared over processes: Linux's monotonic clock with the boot it belongs to."""

import time
from pathlib import Path

from trading.boot import Clock, Moment

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# A process in a time namespace of its own has another monotonic clock in the same boot.
TIME_NAMESPACE = Path("/proc/self/ns/time")


def boot_clock() -> Clock:
    """The clock of this process. Reads the kernel's boot id once, now."""
    boot = BOOT_ID.read_text().strip()
    if TIME_NAMESPACE.exists():
        boot = f"{boot} {TIME_NAMESPACE.readlink()}"

    def now() -> Moment:
        return Moment(boot=boot, monotonic_s=time.monotonic(), wall_s=time.time())

    return now
