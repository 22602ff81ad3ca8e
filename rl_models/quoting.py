"""What a message may repeat of a file from somebody we do not trust: a little of it, whatever its size."""

from collections.abc import Sequence

MOST_CHARACTERS = 200
MOST_DIMENSIONS = 8
LARGEST_SHOWN = 10**15


def brief(text: object) -> str:
    """The beginning of a text or of an error's message, printable and on one line."""
    words = str(text)[: MOST_CHARACTERS + 1]
    shown = "".join(character if character.isprintable() else " " for character in words[:MOST_CHARACTERS])
    return f"{shown}..." if len(words) > MOST_CHARACTERS else shown


def brief_shape(sizes: Sequence[object]) -> str:
    """The sizes of an array: whole numbers that are not too long to read, at most eight of them."""
    shown = [str(size) if isinstance(size, int) and abs(size) < LARGEST_SHOWN else "?" for size in sizes]
    return f"({', '.join(shown[:MOST_DIMENSIONS])}{', ...' if len(shown) > MOST_DIMENSIONS else ''})"
