"""A child of a worker is gone with it. Loads next to nothing: it binds the child before that loads the rest."""

import ctypes
import os
import signal
import sys

# Of <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process in the moment its parent is gone, stopped or busy as it may be; only on Linux.

    For children that leave nothing half done. Elsewhere, and beside it, wiring.orphans looks.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)
