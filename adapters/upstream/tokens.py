"""Who we say a call to TradingService V2 is for: short tokens, signed with the secret it shares with us."""

import logging
import stat
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import OctKey

from trading.errors import InvalidSetting

log = logging.getLogger("rl_service.upstream")

# Good for this long on any clock that is at most SKEW_S before or behind ours.
LIFE_S = 60
SKEW_S = 60
# A token is used until it has this much of its life left, so that none expires on its way.
SPARE_S = 15
CACHED = 1000

SETTING = "TRADING_JWT_SECRET_FILE"
SHORTEST_BYTES = 16
LONGEST_BYTES = 4096
# What V2 takes when nobody gave it a secret: whoever read its source can sign with these.
PUBLISHED = frozenset({b"default-secret", b"secret"})


def read_secret(file: Path) -> bytes:
    """The secret in a file, without surrounding white space: 16 to 4096 bytes. Raises InvalidSetting, never showing it.

    A file that others may read is only warned of: mounted secrets often are.
    """
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LONGEST_BYTES:
            raise InvalidSetting(f"{SETTING}: must be a file of at most {LONGEST_BYTES} bytes")
        secret = file.read_bytes().strip()
    except OSError as error:
        raise InvalidSetting(f"{SETTING}: cannot be read: {error.strerror}") from error
    if secret in PUBLISHED:
        raise InvalidSetting(f"{SETTING}: the secret is a published default; set another on both sides")
    if len(secret) < SHORTEST_BYTES:
        raise InvalidSetting(f"{SETTING}: the secret must have at least {SHORTEST_BYTES} bytes")
    if status.st_mode & stat.S_IROTH:
        log.warning("%s: every user of this machine may read it", SETTING)
    return secret


class Tokens:
    """Mints HS256 tokens in the name of users. `wall_s` is Unix time; both clocks are in seconds."""

    def __init__(
        self,
        secret: bytes,
        *,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = _key(secret)
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        # By user, with the moment of minting, oldest first. On the monotonic clock: setting the wall clock keeps none.
        self._minted: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def mint(self, user_id: str) -> str:
        """A token in the name of a user, good for 15 to 60 seconds more."""
        now_s = self._monotonic_s()
        token, minted_s = self._minted.get(user_id, ("", -float("inf")))
        if now_s - minted_s < LIFE_S - SPARE_S:
            return token
        wall_s = int(self._wall_s())
        claims = {"userId": user_id, "sub": user_id, "iat": wall_s - SKEW_S, "exp": wall_s + LIFE_S + SKEW_S}
        token = jwt.encode({"alg": "HS256"}, claims, self._key)
        self._minted[user_id] = token, now_s
        self._minted.move_to_end(user_id)
        if len(self._minted) > CACHED:
            self._minted.popitem(last=False)
        return token


def _key(secret: bytes) -> OctKey:
    try:
        return OctKey.import_key(secret)
    except ValueError as error:
        # A public key, say: those who verify with it know it.
        raise InvalidSetting(f"{SETTING}: not a secret to sign with") from error
