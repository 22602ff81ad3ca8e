"""BentoML's model store as the registry of policy bundles: a bundle is copied in whole and verified by its reader."""

import shutil
from pathlib import Path

import bentoml
from bentoml.exceptions import NotFound


def register(bundle: Path, *, name: str, version: str, digest: str) -> str:
    """Copy a verified bundle directory into the store; the tag. The same digest again changes nothing.

    Raises ValueError when this name and version is there with another digest: a version never changes.
    """
    tag = f"{name}:{version}"
    try:
        known = bentoml.models.get(tag)
    except NotFound:
        with bentoml.models.create(tag, module=__name__, labels={"digest": _as_label(digest)}) as model:
            shutil.copytree(bundle, Path(model.path) / "bundle", dirs_exist_ok=True)
        return tag
    if known.info.labels.get("digest") != _as_label(digest):
        raise ValueError(f"{tag} is in the model store with another digest; give the bundle a new version")
    return tag


def stored_bundles(home: Path) -> list[Path]:
    """Where a model store keeps each bundle: that of BENTOML_HOME, or the one inside a Bento. Reads no model's record.

    BentoML's own listing fails as a whole over one damaged record of any model.
    """
    return sorted(home.glob("models/*/*/bundle"))


def _as_label(digest: str) -> str:
    # Label values are at most 63 characters of a small alphabet; "sha256:" and the last digit do not fit.
    return digest.removeprefix("sha256:")[:40]
