"""What a worker does when its supervisor is gone."""

from wiring.orphans import LAST_WORDS_S, LOOK_S, outlive


def test_it_looks_until_its_parent_is_another_then_ends_in_order_and_at_last_at_once() -> None:
    parents = iter([7, 7, 1])
    done: list[object] = []
    outlive(
        7,
        parent=lambda: next(parents),
        sleep=done.append,
        terminate=lambda: done.append("terminated"),
        leave=lambda code: done.append(("left", code)),
    )
    assert done == [LOOK_S, LOOK_S, "terminated", LAST_WORDS_S, ("left", 1)]
    assert LOOK_S + LAST_WORDS_S <= 4.0
