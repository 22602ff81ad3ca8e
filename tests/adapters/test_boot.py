import subprocess
import sys

from adapters.boot import boot_clock

OTHER = "from adapters.boot import boot_clock; now = boot_clock()(); print(now.boot, now.monotonic_s, sep='|')"


def test_another_process_of_this_boot_has_the_same_clock() -> None:
    before = boot_clock()()
    told = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, text=True, check=True).stdout
    after = boot_clock()()

    boot, monotonic_s = told.strip().split("|")
    assert boot == before.boot == after.boot
    assert before.monotonic_s < float(monotonic_s) < after.monotonic_s


def test_its_wall_time_is_unix_time() -> None:
    assert boot_clock()().wall_s > 1_700_000_000
