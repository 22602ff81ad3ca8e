from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from rl_models.active import RETRY_S, ActiveModel
from trading.errors import BundleRefused, InvalidSetting, OperatorNeeded, PolicyFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Keeps rl_models.active.Digested."""

    digest: str


@dataclass
class Record:
    """The record of what is wanted, a loader that refuses some names, and a clock set by hand."""

    wanted: str | ValueError
    bad: set[str] = field(default_factory=set)
    loaded: list[str] = field(default_factory=list)
    refusal: type[OperatorNeeded] = BundleRefused
    now_s: float = 1000.0

    def read(self) -> str:
        if isinstance(self.wanted, ValueError):
            raise self.wanted
        return self.wanted

    def load(self, name: str) -> Named:
        self.loaded.append(name)
        if name in self.bad:
            raise self.refusal(f"{name} is bad")
        return Named(digest=name)

    def follow(self) -> ActiveModel[Named]:
        return ActiveModel(wanted=self.read, load=self.load, monotonic_s=lambda: self.now_s)


def refusing(name: str) -> Callable[[Named], None]:
    def check(held: Named) -> None:
        if held.digest == name:
            raise BundleRefused(f"{name} does not fit")

    return check


def test_the_wanted_model_serves_from_the_start() -> None:
    active = Record("a").follow()
    assert (active.current.digest, active.name, active.refusal) == ("a", "a", None)


def test_there_is_no_start_without_a_model() -> None:
    with pytest.raises(BundleRefused, match="a is bad"):
        Record("a", bad={"a"}).follow()


def test_there_is_no_start_on_a_damaged_record() -> None:
    with pytest.raises(BundleRefused, match="torn"):
        Record(ValueError("torn")).follow()


def test_nothing_is_loaded_while_the_same_model_is_wanted() -> None:
    record = Record("a")
    active = record.follow()
    assert [active.refresh() for _ in range(3)] == [False, False, False]
    assert record.loaded == ["a"]


def test_another_wanted_model_serves_after_a_refresh() -> None:
    record = Record("a")
    active = record.follow()
    record.wanted = "b"
    assert active.current.digest == "a"
    assert active.refresh() is True
    assert (active.current.digest, active.name) == ("b", "b")
    assert active.refresh() is False


def test_a_refused_model_leaves_the_old_one_serving_and_says_why() -> None:
    record = Record("a", bad={"b"})
    active = record.follow()
    record.wanted = "b"
    assert active.refresh() is False
    assert (active.current.digest, active.name, active.refusal) == ("a", "a", "b is bad")


def test_a_refused_model_is_not_verified_again_at_each_look() -> None:
    record = Record("a", bad={"b"})
    active = record.follow()
    record.wanted = "b"
    for _ in range(3):
        active.refresh()
    assert record.loaded == ["a", "b"]


@pytest.mark.parametrize(("later_s", "changed"), [(RETRY_S - 0.001, False), (RETRY_S, True)])
def test_a_refused_model_whose_files_arrive_late_serves_after_a_while(later_s: float, changed: bool) -> None:
    record = Record("a", bad={"b"})
    active = record.follow()
    record.wanted = "b"
    active.refresh()
    record.bad.clear()
    record.now_s += later_s
    assert active.refresh() is changed


def test_whatever_an_operator_has_to_mend_leaves_the_old_model_serving() -> None:
    record = Record("a", bad={"b"}, refusal=InvalidSetting)
    active = record.follow()
    record.wanted = "b"
    assert active.refresh() is False
    assert (active.current.digest, active.refusal) == ("a", "b is bad")


def test_a_refused_model_is_tried_again_after_another_was_wanted() -> None:
    record = Record("a", bad={"b"})
    active = record.follow()
    record.wanted = "b"
    active.refresh()
    record.wanted = "a"
    active.refresh()
    assert active.refusal is None
    record.bad.clear()
    record.wanted = "b"
    assert active.refresh() is True


def test_a_good_model_clears_the_refusal_of_the_one_before() -> None:
    record = Record("a", bad={"b"})
    active = record.follow()
    record.wanted = "b"
    active.refresh()
    record.wanted = "c"
    assert active.refresh() is True
    assert active.refusal is None


def test_a_record_damaged_later_leaves_the_old_model_serving_and_says_why() -> None:
    record = Record("a")
    active = record.follow()
    record.wanted = ValueError("torn")
    assert active.refresh() is False
    assert (active.current.digest, active.refusal) == ("a", "torn")
    record.wanted = "b"
    assert active.refresh() is True
    assert active.refusal is None


def test_the_refusal_is_that_of_the_last_look() -> None:
    record = Record("a", bad={"b"})
    active = record.follow()
    record.wanted = "b"
    active.refresh()
    record.wanted = ValueError("torn")
    active.refresh()
    record.wanted = "b"
    active.refresh()
    assert active.refusal == "b is bad"


def test_a_requirement_holds_for_the_current_model_at_once() -> None:
    with pytest.raises(BundleRefused, match="a does not fit"):
        Record("a").follow().require(refusing("a"))


def test_a_requirement_holds_for_each_later_model() -> None:
    record = Record("a")
    active = record.follow()
    active.require(refusing("b"))
    record.wanted = "b"
    assert active.refresh() is False
    assert (active.current.digest, active.refusal) == ("a", "b does not fit")


def test_the_current_and_the_previous_model_answer_by_digest() -> None:
    record = Record("a")
    active = record.follow()
    record.wanted = "b"
    active.refresh()
    assert [active.by_digest(digest).digest for digest in ("a", "b")] == ["a", "b"]


@pytest.mark.parametrize("digest", ["a", "other"])
def test_a_model_from_before_the_previous_one_does_not_answer(digest: str) -> None:
    record = Record("a")
    active = record.follow()
    for name in ("b", "c"):
        record.wanted = name
        active.refresh()
    with pytest.raises(PolicyFailed):
        active.by_digest(digest)


def test_a_refused_model_does_not_push_out_the_previous_one() -> None:
    record = Record("a", bad={"c"})
    active = record.follow()
    for name in ("b", "c"):
        record.wanted = name
        active.refresh()
    assert active.by_digest("a").digest == "a"


def test_many_threads_load_a_new_model_once_and_the_old_one_stays_known() -> None:
    record = Record("a")
    active = record.follow()
    record.wanted = "b"
    with ThreadPoolExecutor(8) as threads:
        changed = list(threads.map(lambda _: active.refresh(), range(64)))
    assert changed.count(True) == 1
    assert record.loaded == ["a", "b"]
    assert [active.by_digest(digest).digest for digest in ("a", "b")] == ["a", "b"]
