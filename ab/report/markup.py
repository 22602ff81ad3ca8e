"""Markup in which text cannot become a tag: every string is escaped where it is put in, unless it was made here."""

import html
import re

# What XML 1.0 allows in a document (section 2.2), turned round: the rest is neither shown nor parsed by anybody.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_VOID = frozenset({"meta"})


class Markup(str):
    """Text that is HTML already. Only `tag`, `join` and constants of ours make it."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """The text as HTML shows it; Markup is left as it is. Characters that XML forbids become U+FFFD."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", text)))


def foreign(text: str) -> Markup:
    """Text that somebody else wrote: escaped, and its writing direction cannot reach beyond it."""
    return tag("bdi", text)


def join(*parts: str) -> Markup:
    """The parts one after the other, each escaped unless it is Markup."""
    return Markup("".join(escaped(part) for part in parts))


def tag(name: str, /, *children: str, **attributes: str | float) -> Markup:
    """One element. `class_` becomes class and `stroke_width` stroke-width; numbers are rounded to a tenth."""
    opened = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{opened}/>")
    return Markup(f"<{name}{opened}>{join(*children)}</{name}>")


def _value(value: str | float) -> str:
    return escaped(value) if isinstance(value, str) else f"{round(value, 1):g}"
