"""Which bundles lie where, and which of them a name means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_models.bundle import Bundle, FindMember, load_bundle, read_manifest, read_manifests
from rl_models.bundle_files import CHECKSUM_FILE, bundle_digest, read_files
from rl_models.manifest import Manifest
from rl_models.network import INLINE_P99_S
from trading.errors import BundleRefused

SHIPPED_BUNDLES = Path(__file__).parent / "bundles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A bundle whose files are whole; its network has not been opened."""

    manifest: Manifest
    digest: str
    path: Path

    @property
    def tag(self) -> str:
        """`name:version`."""
        return f"{self.manifest.name}:{self.manifest.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A directory that looks like a bundle and is none, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What was found: bundles in the order of the places they were looked for in, and what was refused."""

    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]

    def select(self, wanted: str) -> Candidate:
        """The bundle that `name:version` means, or the newest version of `name`.

        Raises BundleRefused when there is none, or when two different bundles have this name and version.
        """
        name, separator, version = wanted.partition(":")
        named = [found for found in self.candidates if found.manifest.name == name]
        if separator:
            named = [found for found in named if found.manifest.version == version]
        if not named:
            refused = [f"{r.path} was refused: {r.reason}" for r in self.refusals if name in r.path.parts]
            raise BundleRefused(
                f"no bundle {wanted!r}; there are: {', '.join(self.tags()) or 'none'}{'; '.join(['', *refused])}"
            )
        newest = max(named, key=_version_order)
        if any(found.tag == newest.tag and found.digest != newest.digest for found in named):
            raise BundleRefused(f"{newest.tag} is there twice with different content")
        return newest

    def tags(self) -> tuple[str, ...]:
        """Every `name:version`, sorted, each once."""
        return tuple(sorted({found.tag for found in self.candidates}))

    def open(self, candidate: Candidate, *, inline_p99_s: float | None = INLINE_P99_S) -> Bundle:
        """The verified bundle, its members taken from this shelf. See load_bundle."""
        return load_bundle(candidate.path, find_member=self._finder(), inline_p99_s=inline_p99_s)

    def networks(self, candidate: Candidate) -> tuple[Manifest, ...]:
        """The manifests of the policies that need observations. See read_manifests."""
        return read_manifests(candidate.path, find_member=self._finder())[1]

    def _finder(self) -> FindMember:
        paths = {found.tag: found.path for found in reversed(self.candidates)}
        return lambda name, version: paths.get(f"{name}:{version}")


def find_bundles(roots: Sequence[Path], *, directories: Sequence[Path] = ()) -> Shelf:
    """Every bundle at `<root>/<name>/<version>/`, and in each of `directories` themselves.

    A root or directory that does not exist holds nothing.
    """
    candidates, refusals, found = [], [], []
    for root in roots:
        try:
            found += [path for path in sorted(root.glob("[!.]*/[!.]*")) if path.is_dir()]
        except OSError as error:
            refusals.append(Refusal(path=root, reason=f"cannot be read: {error.strerror}"))
    for path in [*found, *(directory for directory in directories if directory.is_dir())]:
        try:
            candidates.append(_candidate(path))
        except BundleRefused as error:
            refusals.append(Refusal(path=path, reason=str(error)))
    return Shelf(candidates=tuple(candidates), refusals=tuple(refusals))


def _candidate(path: Path) -> Candidate:
    files = read_files(path)
    return Candidate(manifest=read_manifest(files), digest=bundle_digest(files[CHECKSUM_FILE]), path=path)


def _version_order(candidate: Candidate) -> list[tuple[bool, int, str]]:
    parts = re.findall(r"\d+|[a-z]+", candidate.manifest.version)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
