"""Models are followed while they change, and nothing unverified ever serves."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from rl_models.served import KEEP_S, RETRY_S, ServedModels
from trading.errors import BundleRefused, InvalidSetting, OperatorNeeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a name was loaded as, and beside which active model."""

    digest: str
    active: str | None = None


@dataclass
class Record:
    """What is wanted and named, a loader that refuses some names, and a clock set by hand."""

    wanted: str | ValueError
    named: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)
    loaded: list[str] = field(default_factory=list)
    refusal: type[OperatorNeeded] = BundleRefused
    now_s: float = 1000.0

    def read(self) -> str:
        if isinstance(self.wanted, ValueError):
            raise self.wanted
        return self.wanted

    def load(self, name: str, active: Named | None) -> Named:
        self.loaded.append(name)
        if name in self.bad:
            raise self.refusal(f"{name} is bad")
        return Named(digest=name, active=None if active is None else active.digest)

    def follow(self) -> ServedModels[Named]:
        return ServedModels(
            wanted=self.read,
            named=lambda active: self.named - {active.digest},
            load=self.load,
            monotonic_s=lambda: self.now_s,
        )


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


def test_many_threads_load_a_new_model_once() -> None:
    record = Record("a")
    active = record.follow()
    record.wanted = "b"
    with ThreadPoolExecutor(8) as threads:
        changed = list(threads.map(lambda _: active.refresh(), range(64)))
    assert changed.count(True) == 1
    assert record.loaded == ["a", "b"]


def names(models: ServedModels[Named]) -> set[str]:
    return set(models.others)


def test_what_is_named_waits_for_the_first_refresh() -> None:
    record = Record("a", named={"b"})
    models = record.follow()
    assert names(models) == set()
    assert models.refresh() is True
    assert names(models) == {"b"}
    assert models.refresh() is False
    assert record.loaded == ["a", "b"]


def test_a_named_model_is_loaded_beside_the_active_one_and_that_by_itself() -> None:
    models = Record("a", named={"b"}).follow()
    models.refresh()
    assert (models.current.active, models.others["b"].active) == (None, "a")


def test_what_is_named_may_depend_on_the_model_that_has_just_become_active() -> None:
    record = Record("a", named={"a", "b"})
    models = record.follow()
    models.refresh()
    record.wanted = "b"
    models.refresh()
    assert {"a", "b"} == names(models)
    record.now_s += KEEP_S
    models.refresh()
    assert names(models) == {"a"}


def test_a_named_model_that_is_refused_says_why_and_disturbs_no_other() -> None:
    record = Record("a", named={"b", "c"}, bad={"b"})
    models = record.follow()
    assert models.refresh() is True
    assert (names(models), dict(models.refusals), models.refusal) == ({"c"}, {"b": "b is bad"}, None)


def test_a_named_model_that_was_refused_is_tried_again_after_a_while_only() -> None:
    record = Record("a", named={"b"}, bad={"b"})
    models = record.follow()
    for _ in range(3):
        models.refresh()
    assert record.loaded == ["a", "b"]
    record.bad.clear()
    record.now_s += RETRY_S
    assert models.refresh() is True
    assert (names(models), dict(models.refusals)) == ({"b"}, {})


def test_a_requirement_holds_for_named_models_too() -> None:
    record = Record("a", named={"b"})
    models = record.follow()
    models.require(refusing("b"))
    models.refresh()
    assert dict(models.refusals) == {"b": "b does not fit"}


def test_a_model_nobody_names_any_more_stays_for_a_while_and_then_goes() -> None:
    record = Record("a", named={"b"})
    models = record.follow()
    models.refresh()
    record.named.clear()
    record.now_s += KEEP_S - 0.001
    assert models.refresh() is False
    assert names(models) == {"b"}
    record.now_s += 0.001
    assert models.refresh() is True
    assert names(models) == set()


def test_a_model_that_is_named_again_in_time_is_not_loaded_again() -> None:
    record = Record("a", named={"b"})
    models = record.follow()
    models.refresh()
    record.named.clear()
    record.now_s += KEEP_S / 2
    models.refresh()
    record.named.add("b")
    record.now_s += KEEP_S / 2
    models.refresh()
    record.now_s += KEEP_S / 2
    models.refresh()
    assert (names(models), record.loaded) == ({"b"}, ["a", "b"])


def test_a_refused_active_model_keeps_nothing_from_those_that_are_named() -> None:
    record = Record("a", named={"c"}, bad={"b"})
    models = record.follow()
    record.wanted = "b"
    assert models.refresh() is True
    assert (models.current.digest, models.refusal, names(models)) == ("a", "b is bad", {"c"})


def test_a_damaged_record_keeps_nothing_from_those_that_are_named() -> None:
    record = Record("a", named={"c"})
    models = record.follow()
    record.wanted = ValueError("torn")
    assert models.refresh() is True
    assert (models.refusal, names(models)) == ("torn", {"c"})
