"""A worker does not outlive its supervisor."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from wiring.heartbeat import Pulse, open_board

LOOK_S = 0.5
# Together with LOOK_S at most four seconds after its supervisor a worker is gone.
LAST_WORDS_S = 3.4

log = logging.getLogger("rl_service.orphans")


def join_supervisor(folder: Path) -> Pulse:
    """Take a place on the supervisor's board, and end with it. Raises OperatorNeeded when it is gone already."""
    supervisor = os.getppid()
    pulse = open_board(folder, supervisor).join(os.getpid())
    end_with(supervisor)
    return pulse


def end_with(supervisor: int) -> None:
    """End this process soon after its parent is no longer `supervisor`: as SIGTERM does, or at once when that is late.

    A thread of its own, so that it also happens while the event loop is blocked.
    """
    watch = threading.Thread(target=outlive, args=(supervisor,), name="orphan_watch", daemon=True)
    watch.start()


def outlive(
    supervisor: int,
    *,
    parent: Callable[[], int] = os.getppid,
    sleep: Callable[[float], None] = time.sleep,
    terminate: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM),
    leave: Callable[[int], None] = os._exit,
) -> None:
    """Wait for the supervisor to go, then end this process."""
    while parent() == supervisor:
        sleep(LOOK_S)
    log.error("the supervisor %d is gone: this worker ends", supervisor)
    terminate()
    sleep(LAST_WORDS_S)
    leave(1)
