"""What a token says and for how long, and which secrets are refused."""

import base64
import hashlib
import hmac
import json
import logging
from pathlib import Path

import pytest

from adapters.upstream.tokens import CACHED, LIFE_S, SKEW_S, SPARE_S, Tokens, read_secret
from trading.errors import InvalidSetting

KEY = b"0123456789abcdef0123"
WALL_S = 1_759_140_000.7


class Clock:
    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


class Minted:
    def __init__(self) -> None:
        self.wall, self.monotonic = Clock(WALL_S), Clock(50.0)
        self.tokens = Tokens(KEY, wall_s=self.wall, monotonic_s=self.monotonic)


def part(text: str) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return parsed


def file_with(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    file = folder / "jwt"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_a_token_names_its_user_and_is_signed_with_the_secret() -> None:
    header, claims, signature = Minted().tokens.mint("user123").split(".")
    assert part(header) == {"typ": "JWT", "alg": "HS256"}
    assert (part(claims)["userId"], part(claims)["sub"]) == ("user123", "user123")
    expected = hmac.new(KEY, f"{header}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected


def test_a_token_is_good_for_its_life_on_clocks_that_differ_by_the_skew() -> None:
    claims = part(Minted().tokens.mint("user123").split(".")[1])
    assert claims["iat"] == int(WALL_S) - SKEW_S
    assert claims["exp"] == int(WALL_S) + LIFE_S + SKEW_S


def test_a_token_is_used_until_it_is_nearly_over() -> None:
    minted = Minted()
    first = minted.tokens.mint("user123")
    minted.wall.now_s += LIFE_S - SPARE_S - 1
    minted.monotonic.now_s += LIFE_S - SPARE_S - 1
    assert minted.tokens.mint("user123") == first
    minted.wall.now_s += 1
    minted.monotonic.now_s += 1
    assert minted.tokens.mint("user123") != first


def test_setting_the_wall_clock_neither_keeps_nor_ends_a_token() -> None:
    minted = Minted()
    first = minted.tokens.mint("user123")
    minted.wall.now_s += 3600
    assert minted.tokens.mint("user123") == first
    minted.wall.now_s -= 7200
    minted.monotonic.now_s += LIFE_S
    assert minted.tokens.mint("user123") != first


def test_users_have_tokens_of_their_own_and_only_so_many_are_kept() -> None:
    minted = Minted()
    first = minted.tokens.mint("user0")
    assert len({minted.tokens.mint(f"user{index}") for index in range(CACHED)}) == CACHED
    minted.wall.now_s += 1
    assert minted.tokens.mint("user0") == first
    minted.tokens.mint("one more")
    assert minted.tokens.mint("user0") != first


def test_nothing_shown_of_tokens_has_the_secret() -> None:
    tokens = Minted().tokens
    tokens.mint("user123")
    shown = f"{tokens!r} {vars(tokens)!r}"
    assert KEY.decode() not in shown
    assert base64.urlsafe_b64encode(KEY).decode().rstrip("=") not in shown


def test_the_secret_is_what_is_in_the_file_without_white_space_around(tmp_path: Path) -> None:
    assert read_secret(file_with(tmp_path, b"\n " + KEY + b"\r\n")) == KEY


@pytest.mark.parametrize("content", [b"", b"\n", b"secret", b"default-secret\n", b"fifteen bytes!!", b"x" * 5000])
def test_an_empty_short_published_or_huge_secret_is_refused_unseen(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidSetting, match="TRADING_JWT_SECRET_FILE: ") as caught:
        read_secret(file_with(tmp_path, content))
    said = content.strip().decode()
    assert not said or said == "secret" or said not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSetting, match="TRADING_JWT_SECRET_FILE: "):
        read_secret(tmp_path / name)


def test_a_public_key_is_no_secret() -> None:
    public = (
        b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        b"-----END PUBLIC KEY-----"
    )
    with pytest.raises(InvalidSetting, match="TRADING_JWT_SECRET_FILE: "):
        Tokens(public)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_secret_that_all_may_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        read_secret(file_with(tmp_path, KEY, mode))
    assert bool(caplog.records) is warned
    assert KEY.decode() not in caplog.text
