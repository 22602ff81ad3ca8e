"""What a message repeats of a stranger's file is short, whatever the file says."""

from rl_models.quoting import MOST_CHARACTERS, brief, brief_shape


def test_a_text_is_cut_and_kept_on_one_line() -> None:
    assert brief("short") == "short"
    assert brief("two\nlines\x1b[31m") == "two lines [31m"
    assert brief("x" * 10**7) == "x" * MOST_CHARACTERS + "..."


def test_a_shape_shows_numbers_only() -> None:
    assert brief_shape((2, 3)) == "(2, 3)"
    assert brief_shape(("text", 1 << 100_000, (1, (2,)), -1)) == "(?, ?, ?, -1)"
    assert brief_shape([1] * 1_000) == "(1, 1, 1, 1, 1, 1, 1, 1, ...)"
