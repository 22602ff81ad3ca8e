"""Where the processes of one deployment count together: a folder of its supervisor's own, gone with it."""

import atexit
import fcntl
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from trading.errors import OperatorNeeded

PREFIX = "rl-service-metrics-"


def metric_folder() -> Path:
    """A folder that nobody has yet, where temporary files are."""
    return Path(tempfile.gettempdir(), PREFIX + secrets.token_hex(8))


def hold(folder: Path) -> None:
    """Make a folder this process's own until it ends. Raises OperatorNeeded where it cannot be made."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # The kernel lets go of it, also after kill -9. Workers do not inherit it.
        fcntl.flock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)
    except OSError as error:
        raise OperatorNeeded(f"{folder}: {error.strerror}") from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove the folders of supervisors that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, or somebody was faster
            if folder.stat().st_uid == os.getuid() and not _held(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _held(folder: Path) -> bool:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False
