"""A Python process of our own, for what is read once at import or patches its process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str, *words: str, environment: Mapping[str, str] | None = None, expect: int = 0) -> str:
    """What the code prints, then what it says on standard error; `words` are its sys.argv[1:]."""
    ended = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        env=os.environ | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == expect, ended.stderr
    return ended.stdout + ended.stderr
