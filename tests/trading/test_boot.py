from tests.fakes.jobs import START, HandClock


def test_setting_the_wall_clock_moves_no_deadline_of_this_boot() -> None:
    clock = HandClock()
    deadline = START.after(5.0)

    clock.jump(3600.0)
    clock.go(2.0)

    assert deadline.left_s(clock()) == 3.0


def test_a_deadline_of_another_boot_goes_by_the_wall_clock() -> None:
    clock = HandClock()
    deadline = START.after(5.0)

    clock.reboot("next boot", after_s=4.0)

    assert deadline.left_s(clock()) == 1.0


def test_a_deadline_is_reached_when_nothing_is_left() -> None:
    clock = HandClock()
    clock.go(5.0)

    assert START.after(5.0).left_s(clock()) == 0.0
