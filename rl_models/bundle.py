"""A bundle: a policy, verified, with everything that is needed to serve it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rl_models.answers import Answering, Parts, advice
from rl_models.bundle_files import (
    CHECKSUM_FILE,
    MANIFEST_FILE,
    NETWORK_FILE,
    bundle_digest,
    checksums,
    place_files,
    read_files,
    sha256_hex,
)
from rl_models.catalogue import POLICIES
from rl_models.manifest import FileEntry, Manifest
from rl_models.manifest_json import check_manifest, manifest_from_json
from rl_models.network import INLINE_P99_S, Float64s
from rl_models.strict_json import dump_json, parse_json
from trading.errors import BundleRefused
from trading.vocabulary import Advice

# The directory of the bundle with this name and version, or None.
FindMember: TypeAlias = Callable[[str, str], Path | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A verified policy, single or ensemble. `networks` are the manifests of the policies that need observations."""

    manifest: Manifest
    digest: str
    networks: tuple[Manifest, ...]
    answering: Answering

    @property
    def schema_digests(self) -> tuple[str, ...]:
        """The schemas it needs observations of, each once."""
        return needed_digests(self.networks)

    def targets(self, observations: Mapping[str, Float64s], exposures: Float64s) -> tuple[Float64s, Float64s, Float64s]:
        """(target exposures float64[m], confidence scores float64[m], raw float64[m, k]) of many rows at once.

        `observations` are raw float64[m, n] by schema digest, `exposures` float64[m]. Raises FeaturesMissing for an
        observation that is not finite, PolicyAnsweredNaN for such an answer, PolicyFailed for wrong shapes.
        """
        answers = self.answering.answers(observations, exposures.tolist())
        targets, scores, raw = zip(*(answer[:3] for answer in answers), strict=True)
        return np.array(targets), np.array(scores), np.array(raw)

    def answer(self, observations: Mapping[str, Float64s], exposure: float) -> Advice:
        """The advice for one row: raw float64[n] by schema digest. Raises as `targets`."""
        rows = {digest: observation[None, :] for digest, observation in observations.items()}
        return advice(self.answering, self.answering.answers(rows, (exposure,))[0], exposure)


def needed_digests(networks: Sequence[Manifest]) -> tuple[str, ...]:
    """The schema digests of these policies, each once, in order."""
    return tuple(dict.fromkeys(manifest.schema.digest for manifest in networks if manifest.schema is not None))


def load_bundle(
    path: Path, *, find_member: FindMember | None = None, inline_p99_s: float | None = INLINE_P99_S
) -> Bundle:
    """The bundle in a directory, after verifying all of it; nothing in it is executed. Raises BundleRefused.

    `find_member` None looks for members beside the bundle (`<root>/<name>/<version>`). `inline_p99_s` is the 99th
    percentile that a single call must stay below, None when the policy gets a process of its own.
    """
    return _open(read_files(path), find_member or _beside(path.parent.parent), inline_p99_s)


def read_manifests(path: Path, *, find_member: FindMember | None = None) -> tuple[Manifest, tuple[Manifest, ...]]:
    """The manifest of a bundle and those of the policies that need observations, without opening a network.

    For a process that only builds the observations. Raises BundleRefused.
    """
    return _manifests(read_files(path), find_member or _beside(path.parent.parent))


def write_bundle(root: Path, manifest: Manifest, model: bytes | None, *, find_member: FindMember | None = None) -> Path:
    """Writes `<root>/<name>/<version>/` whole or not at all; its path. `model` is the ONNX file, None for an ensemble.

    What would be refused at loading is refused here with BundleRefused, except for slowness; so is a name and version
    that is there with other content.
    """
    check_manifest(manifest)
    networks = {} if model is None else {NETWORK_FILE: model}
    entries = {name: FileEntry(sha256=sha256_hex(file), size_bytes=len(file)) for name, file in networks.items()}
    files = networks | {MANIFEST_FILE: dump_json(replace(manifest, files=entries).to_json())}
    files[CHECKSUM_FILE] = checksums(files)
    _open(files, find_member or _beside(root), None)
    path = root / manifest.name / manifest.version
    place_files(path, files)
    return path


def _open(files: Mapping[str, bytes], find_member: FindMember, inline_p99_s: float | None) -> Bundle:
    manifest = read_manifest(files)
    members = [
        _open(_member_files(member.name, member.version, member.digest, find_member), find_member, inline_p99_s)
        for member in manifest.members
    ]
    parts = Parts(
        manifest=manifest,
        model=files.get(NETWORK_FILE),
        members=[member.answering for member in members],
        inline_p99_s=inline_p99_s,
    )
    own = () if manifest.schema is None else (manifest,)
    return Bundle(
        manifest=manifest,
        digest=bundle_digest(files[CHECKSUM_FILE]),
        networks=own + tuple(network for member in members for network in member.networks),
        answering=POLICIES[manifest.kind](parts),
    )


def _manifests(files: Mapping[str, bytes], find_member: FindMember) -> tuple[Manifest, tuple[Manifest, ...]]:
    manifest = read_manifest(files)
    networks = [] if manifest.schema is None else [manifest]
    for member in manifest.members:
        found = _member_files(member.name, member.version, member.digest, find_member)
        networks.extend(_manifests(found, find_member)[1])
    return manifest, tuple(networks)


def read_manifest(files: Mapping[str, bytes]) -> Manifest:
    """The manifest among the files of a bundle, which must be those it lists. Raises BundleRefused."""
    if MANIFEST_FILE not in files:
        raise BundleRefused(f"no {MANIFEST_FILE}")
    manifest = manifest_from_json(parse_json(files[MANIFEST_FILE], MANIFEST_FILE))
    if manifest.kind not in POLICIES:
        raise BundleRefused(f"manifest.kind: expected one of {sorted(POLICIES)}")
    found = {
        name: FileEntry(sha256=sha256_hex(file), size_bytes=len(file))
        for name, file in files.items()
        if name not in (MANIFEST_FILE, CHECKSUM_FILE)
    }
    if found != manifest.files or found.keys() - {NETWORK_FILE}:
        raise BundleRefused(f"{manifest.name}: the files are not those the manifest lists")
    return manifest


def _member_files(name: str, version: str, digest: str, find_member: FindMember) -> dict[str, bytes]:
    # The digest is compared before the member is opened: no bundle can then contain itself.
    path = find_member(name, version)
    if path is None:
        raise BundleRefused(f"member {name}:{version} is missing")
    files = read_files(path)
    if bundle_digest(files[CHECKSUM_FILE]) != digest:
        raise BundleRefused(f"member {name}:{version} has another digest than the ensemble was made with")
    return files


def _beside(root: Path) -> FindMember:
    def find(name: str, version: str) -> Path | None:
        path = root / name / version
        return path if path.is_dir() else None

    return find
