"""Reading a manifest from JSON, and the rules that hold for every kind of bundle."""

import re
from datetime import datetime

from rl_models.calibration import Calibration, calibration_from_json, check_calibration
from rl_models.features.schema import FeatureSchema
from rl_models.manifest import FORMAT, FileEntry, Manifest, Member, Normalisation, Output
from rl_models.semantics import MASKS, action_from_json, check_action
from rl_models.strict_json import Fields, finite, free_json
from trading.errors import BundleRefused

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def manifest_from_json(value: object) -> Manifest:
    """The manifest of a parsed manifest.json. Raises BundleRefused naming the field."""
    fields = Fields(value, "manifest")
    if fields.integer("format", at_least=1) != FORMAT:
        raise BundleRefused(f"manifest.format: this version reads format {FORMAT}")
    manifest = Manifest(
        kind=fields.text("kind"),
        name=fields.text("name"),
        version=fields.text("version"),
        created_at=fields.text("created_at"),
        algorithm=fields.text("algorithm"),
        symbols=fields.texts("symbols"),
        timeframe_s=fields.integer("timeframe_s", at_least=1),
        schema=_schema(fields),
        normalisation=_normalisation(fields.take("normalisation")),
        warmup_bars=fields.integer("warmup_bars", at_least=0),
        action=action_from_json(fields.take("action"), "manifest.action"),
        output=Output(_word(fields, "output", tuple(Output))),
        mask=_word(fields, "mask", tuple(MASKS)),
        calibration=_calibration(fields.take("calibration")),
        provenance=fields.free("provenance"),
        parity=fields.free("parity"),
        members=tuple(_member(item) for item in fields.items("members")),
        files={name: _file_entry(item, name) for name, item in fields.free("files").items()},
    )
    fields.end()
    check_manifest(manifest)
    return manifest


# Every worker reads this many bars of every symbol as it starts.
MOST_WARMUP_BARS = 20_000


RESERVED_NAMES = ("hold", "adaptive_threshold")
_ALGORITHM = re.compile(r"[A-Za-z0-9+._-]{1,32}", re.ASCII)
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,31}", re.ASCII)


def check_manifest(manifest: Manifest) -> None:
    """Raises BundleRefused when the parts of a manifest contradict each other."""
    for label, text in (("name", manifest.name), ("version", manifest.version)):
        check_word(text, f"manifest.{label}")
    if manifest.name in RESERVED_NAMES:
        raise BundleRefused(f"manifest.name: {manifest.name!r} is what answers without a bundle are called")
    if not _ALGORITHM.fullmatch(manifest.algorithm):
        raise BundleRefused("manifest.algorithm: not 1 to 32 letters, digits and -+._")
    if not all(_SYMBOL.fullmatch(symbol) for symbol in manifest.symbols):
        raise BundleRefused("manifest.symbols: a symbol is 1 to 32 letters, digits and ._/-")
    _check_time(manifest.created_at)
    check_action(manifest.action, "manifest.action")
    if manifest.calibration is not None:
        check_calibration(manifest.calibration, "manifest.calibration")
    if not manifest.symbols:
        raise BundleRefused("manifest.symbols: none")
    if manifest.calibration is not None and not set(manifest.calibration.symbols) <= set(manifest.symbols):
        raise BundleRefused("manifest.calibration.symbols: not among manifest.symbols")
    shortest = 0 if manifest.schema is None else manifest.schema.window
    if not shortest <= manifest.warmup_bars <= MOST_WARMUP_BARS:
        raise BundleRefused(
            f"manifest.warmup_bars: {manifest.warmup_bars} is not between {shortest} (the schema's window) "
            f"and {MOST_WARMUP_BARS}"
        )
    free_json(manifest.provenance, "manifest.provenance")
    free_json(manifest.parity, "manifest.parity")


def check_word(text: str, where: str) -> None:
    """Raises BundleRefused for what can be no name or version of a bundle."""
    if not _NAME.fullmatch(text):
        raise BundleRefused(f"{where}: {text!r} is not 1 to 63 lower-case letters, digits, dots, dashes")


def _check_time(text: str) -> None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BundleRefused(f"manifest.created_at: {text!r} is not an ISO-8601 time") from error
    if at.utcoffset() is None:
        raise BundleRefused("manifest.created_at: no time zone")


def _word(fields: Fields, key: str, words: tuple[str, ...]) -> str:
    word = fields.text(key)
    if word not in words:
        raise fields.refusal(key, f"one of {[str(each) for each in words]}")
    return word


def _schema(fields: Fields) -> FeatureSchema | None:
    value, declared = fields.take("schema"), fields.take("schema_digest")
    if value is None:
        schema = None
    elif isinstance(value, dict):
        try:
            schema = FeatureSchema.from_json(value)
        except ValueError as error:
            raise BundleRefused(f"manifest.schema: {error}") from error
    else:
        raise fields.refusal("schema", "an object or null")
    actual = None if schema is None else schema.digest
    if declared != actual:
        raise BundleRefused(f"manifest.schema_digest: {declared} is declared, the schema has {actual}")
    return schema


def _normalisation(value: object) -> Normalisation | None:
    if value is None:
        return None
    fields = Fields(value, "manifest.normalisation")
    clip = fields.take("clip")
    normalisation = Normalisation(
        mean=fields.numbers("mean"),
        std=fields.numbers("std"),
        epsilon=fields.number("epsilon"),
        clip=None if clip is None else finite(clip, "manifest.normalisation.clip"),
    )
    fields.end()
    return normalisation


def _calibration(value: object) -> Calibration | None:
    return None if value is None else calibration_from_json(value, "manifest.calibration")


def _member(value: object) -> Member:
    fields = Fields(value, "manifest.members")
    member = Member(name=fields.text("name"), version=fields.text("version"), digest=fields.text("digest"))
    fields.end()
    if not _DIGEST.fullmatch(member.digest) or not _NAME.fullmatch(member.name) or not _NAME.fullmatch(member.version):
        raise BundleRefused("manifest.members: expected a name, a version and a sha256 digest")
    return member


def _file_entry(value: object, name: str) -> FileEntry:
    fields = Fields(value, f"manifest.files.{name}")
    entry = FileEntry(sha256=fields.text("sha256"), size_bytes=fields.integer("bytes", at_least=1))
    fields.end()
    return entry
