"""Which bundle is active, as one small file that every process reads: written whole or not at all."""

import json
import os
import tempfile
from pathlib import Path


class ActiveModelFile:
    """The active bundle's name and version in `directory`; the file appears with the first activation."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "active_model.json"

    def read(self) -> str | None:
        """NAME:VERSION, or None when nothing was ever activated. Raises ValueError for a file that says neither."""
        try:
            content = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"{self._path} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise ValueError(f"{self._path} is damaged: activate a bundle again") from None
        if not isinstance(content, dict) or not isinstance(content.get("model"), str):
            raise ValueError(f"{self._path} is damaged: activate a bundle again")
        return str(content["model"])

    def write(self, model: str) -> None:
        """Make `model` the active one for every process that reads this directory."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as file:
            json.dump({"model": model}, file)
            file.flush()
            os.fsync(file.fileno())
            # The operator who activates need not be the user who serves.
            os.fchmod(file.fileno(), 0o644)
        os.replace(file.name, self._path)
