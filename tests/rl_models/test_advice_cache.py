import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from adapters.redis_cache import PREFIX, RedisCache
from rl_models.advice_cache import MOST_ENTRIES, AdviceCache, AdviceStore, MemoryAdviceStore, Question
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.waiting import eventually, run
from trading.vocabulary import Advice, ConfidenceReason

QUESTION = Question(
    bundle="sha256:aa", symbol="BTC", as_of_s=1_700_000_000.0, rows={"s1": b"\0" * 16, "s2": b"\1" * 8}, exposure=0.5
)
ADVICE = Advice(
    model="fake",
    version="1",
    target_exposure=1.0,
    scores=(0.25, -1.5, 1 / 3),
    confidence=0.61,
    confidence_reason=ConfidenceReason.CALIBRATED,
    reasoning="says \N{SNOWMAN}",
    agreement=2 / 3,
    entropy=0.5,
)


@dataclass
class Dictionary:
    """Keeps AdviceStore, and shows what it was given."""

    kept: dict[str, tuple[bytes, float]] = field(default_factory=dict)

    async def get(self, key: str) -> bytes | None:
        return self.kept[key][0] if key in self.kept else None

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self.kept[key] = (value, ttl_s)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


async def open_store(kind: str, request: pytest.FixtureRequest) -> AdviceStore:
    if kind == "memory":
        return MemoryAdviceStore()
    cache = RedisCache(request.getfixturevalue("redis").url)
    await cache.open()
    assert cache.up
    return cache


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_a_store_keeps_bytes_for_as_long_as_told(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async def check() -> None:
        store = await open_store(kind, request)
        name = f"{kind}-{tmp_path.name}"
        assert await store.get(name) is None
        await store.put(name, b"\0\xff first", 60.0)
        await store.put(name, b"\0\xff second", 60.0)
        assert await store.get(name) == b"\0\xff second"
        await store.put(name, b"short", 0.05)
        await asyncio.sleep(0.1)
        assert await store.get(name) is None
        if isinstance(store, RedisCache):
            await store.close()

    run(check())


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_advice_comes_back_as_it_was_said(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async def check() -> None:
        store = await open_store(kind, request)
        cache, question = AdviceCache(store, ttl_s=60.0), replace(QUESTION, bundle=tmp_path.name)
        assert await cache.recall(question) is None
        await cache.remember(question, ADVICE)
        assert await cache.recall(question) == ADVICE
        if isinstance(store, RedisCache):
            await store.close()

    run(check())


@pytest.mark.parametrize(
    "other",
    [
        {"bundle": "sha256:bb"},
        {"symbol": "ETH"},
        {"as_of_s": 1_700_003_600.0},
        {"exposure": 0.25},
        {"rows": {"s1": b"\0" * 16, "s2": b"\2" * 8}},
        {"rows": {"s1": b"\0" * 15 + b"\1", "s2": b"\1" * 8}},
        {"rows": {"s1": b"\0" * 16}},
        {"rows": {"s1": b"\1" * 8, "s2": b"\0" * 16}},
        {"bundle": "sha256:a", "symbol": "aBTC"},
    ],
)
def test_another_question_has_another_key(other: dict[str, object]) -> None:
    assert replace(QUESTION, **other).key != QUESTION.key  # type: ignore[arg-type]


def test_the_order_of_the_rows_is_no_part_of_the_question() -> None:
    assert replace(QUESTION, rows=dict(reversed(QUESTION.rows.items()))).key == QUESTION.key


def test_entries_have_the_life_they_were_given_and_hold_no_observations() -> None:
    store = Dictionary()
    asyncio.run(AdviceCache(store, ttl_s=7.5).remember(QUESTION, replace(ADVICE, digest="x", observations={"s": b""})))
    ((value, ttl_s),) = store.kept.values()
    assert ttl_s == 7.5
    assert not {"digest", "observations", "cached"} & set(json.loads(value))


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"failure": "policy_nan"}', b'{"model": "fake"}',
     json.dumps({"model": "fake", "version": "1", "target_exposure": "NaN"}).encode()],
)  # fmt: skip
def test_what_others_wrote_there_was_never_there(value: bytes) -> None:
    store = Dictionary({QUESTION.key: (value, 1.0)})
    assert asyncio.run(AdviceCache(store, ttl_s=1.0).recall(QUESTION)) is None


@dataclass
class Memory:
    """A memory store with a clock set by hand."""

    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.store = MemoryAdviceStore(monotonic_s=lambda: self.now_s)

    def put(self, *keys: str, ttl_s: float = 30.0) -> None:
        for key in keys:
            asyncio.run(self.store.put(key, b"x", ttl_s))

    def has(self, key: str) -> bool:
        return asyncio.run(self.store.get(key)) is not None


@pytest.mark.parametrize(("later_s", "there"), [(29.999, True), (30.0, False)])
def test_an_entry_ends_with_its_life_and_reading_does_not_prolong_it(later_s: float, there: bool) -> None:
    memory = Memory(now_s=1000.0)
    memory.put("a")
    memory.now_s += 29.0
    assert memory.has("a")
    memory.now_s = 1000.0 + later_s
    assert memory.has("a") is there


def test_the_oldest_entry_goes_first_when_there_are_too_many() -> None:
    memory = Memory()

    async def fill() -> None:
        for place in range(MOST_ENTRIES):
            await memory.store.put(str(place), b"x", 30.0)

    asyncio.run(fill())
    memory.put("0", "new")
    assert (memory.has("0"), memory.has("1"), memory.has("2"), memory.has("new")) == (True, False, True, True)


def test_a_store_over_redis_says_when_it_is_there(redis: RedisServer) -> None:
    async def check() -> None:
        cache = RedisCache(redis.url)
        assert await cache.get("x") is None
        await eventually(lambda: cache.up)
        await cache.put("x", b"1", 5.0)
        assert await cache.get("x") == b"1"
        assert PREFIX.startswith("rl-service:")
        await cache.close()

    run(check())
