"""What a pickle says, without doing it: a reader that builds inert nodes and never imports or calls anything.

A pickle is a program for a small stack machine (https://docs.python.org/3/library/pickletools.html). Here GLOBAL gives
a Name, REDUCE gives a Call that is not made, and BUILD is kept as that call's state.
"""

import pickletools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from rl_models.quoting import brief
from trading.errors import BundleRefused

MOST_OPCODES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A module attribute that was named, not imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Call:
    """A call that was asked for, not made: its function, its arguments, the state and items given to its result."""

    function: "Node"
    arguments: "Node"
    state: "Node" = None
    items: "list[tuple[Node, Node]]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Entries:
    """The items of a dict in order; keys are not hashed."""

    items: "list[tuple[Node, Node]]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Persistent:
    """An object stored outside of the pickle, by the identifier the pickle gives for it."""

    identifier: "Node"


Node: TypeAlias = (
    "bool | int | float | str | bytes | tuple[Node, ...] | list[Node] | Name | Call | Entries | Persistent | None"
)


def read_inert(pickle: bytes, *, allowed: Callable[[Name], bool], where: str) -> Node:
    """The node that loading this pickle would make. Raises BundleRefused, naming the first name that is not allowed."""
    machine = _Machine(allowed, where)
    for count, (opcode, argument) in enumerate(_opcodes(pickle, where)):
        if count >= MOST_OPCODES:
            raise BundleRefused(f"{where}: more than {MOST_OPCODES} pickle instructions")
        if opcode == "STOP":
            return machine.result()
        machine.step(opcode, argument)
    raise BundleRefused(f"{where}: the pickle does not end")


def entry(node: Node, key: str) -> Node:
    """The item called `key` of an Entries, or of the state of a Call; None when there is none."""
    holder = node.state if isinstance(node, Call) else node
    items = holder.items if isinstance(holder, Entries) else []
    return next((value for name, value in items if name == key), None)


def _opcodes(pickle: bytes, where: str) -> Iterator[tuple[str, object]]:
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            yield opcode.name, argument
    except (ValueError, IndexError, OverflowError) as error:
        raise BundleRefused(f"{where}: not a pickle: {brief(error)}") from error


_CONSTANTS: dict[str, Callable[[], Node]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": lambda: (),
    "EMPTY_LIST": lambda: [],
    "EMPTY_DICT": Entries,
}
_LITERALS = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
    | {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
_STORES = frozenset({"BINPUT", "LONG_BINPUT"})
_FETCHES = frozenset({"BINGET", "LONG_BINGET"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CALLS = frozenset({"REDUCE", "NEWOBJ"})
_IGNORED = frozenset({"PROTO", "FRAME"})


class _Mark:
    """Where a group of stack items begins."""


class _Machine:
    def __init__(self, allowed: Callable[[Name], bool], where: str) -> None:
        self._allowed = allowed
        self._where = where
        self._stack: list[Node | _Mark] = []
        self._memo: dict[int, Node] = {}

    def result(self) -> Node:
        return self._pop()

    def step(self, opcode: str, argument: object) -> None:
        if opcode in _LITERALS and isinstance(argument, int | float | str | bytes | bytearray):
            self._stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode]())
        elif opcode == "MARK":
            self._stack.append(_Mark())
        elif opcode in _STORES and isinstance(argument, int):
            self._memo[argument] = self._top()
        elif opcode == "MEMOIZE":
            self._memo[len(self._memo)] = self._top()
        elif opcode in _FETCHES and isinstance(argument, int):
            self._stack.append(self._remembered(argument))
        elif opcode in _TUPLES:
            self._stack.append(tuple(self._pop() for _ in range(_TUPLES[opcode]))[::-1])
        elif opcode == "TUPLE":
            self._stack.append(tuple(self._marked()))
        elif opcode not in _IGNORED:
            self._build(opcode, argument)

    def _build(self, opcode: str, argument: object) -> None:
        if opcode == "GLOBAL" and isinstance(argument, str):
            self._stack.append(self._name(*argument.split(" ", 1)))
        elif opcode == "STACK_GLOBAL":
            name, module = self._pop(), self._pop()
            self._stack.append(self._name(module, name))
        elif opcode in _CALLS:
            arguments, function = self._pop(), self._pop()
            self._stack.append(Call(function, arguments))
        elif opcode == "BUILD":
            state, call = self._pop(), self._top()
            if not isinstance(call, Call):
                raise self._refusal("BUILD on something that is not an object")
            call.state = state
        elif opcode == "BINPERSID":
            self._stack.append(Persistent(self._pop()))
        elif opcode in {"APPEND", "APPENDS"}:
            self._extend([self._pop()] if opcode == "APPEND" else self._marked())
        elif opcode in {"SETITEM", "SETITEMS"}:
            self._set([self._pop(), self._pop()][::-1] if opcode == "SETITEM" else self._marked())
        else:
            raise self._refusal(f"the instruction {opcode} is not read")

    def _name(self, module: Node, name: Node) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise self._refusal("a name that is not text")
        found = Name(module=module, name=name)
        if not self._allowed(found):
            raise self._refusal(f"it asks for {brief(found)}, which has no business here")
        return found

    def _extend(self, values: Sequence[Node]) -> None:
        holder = self._top()
        if not isinstance(holder, list):
            raise self._refusal("APPEND to something that is not a list")
        holder.extend(values)

    def _set(self, values: Sequence[Node]) -> None:
        holder = self._top()
        if not isinstance(holder, Entries | Call) or len(values) % 2:
            raise self._refusal("SETITEM on something that is not a dict")
        holder.items.extend(zip(values[::2], values[1::2], strict=True))

    def _remembered(self, index: int) -> Node:
        if index not in self._memo:
            raise self._refusal("it recalls what it never stored")
        return self._memo[index]

    def _marked(self) -> list[Node]:
        values: list[Node] = []
        while self._stack:
            value = self._stack.pop()
            if isinstance(value, _Mark):
                return values[::-1]
            values.append(value)
        raise self._refusal("a group without a beginning")

    def _pop(self) -> Node:
        value = self._top()
        self._stack.pop()
        return value

    def _top(self) -> Node:
        value = self._stack[-1] if self._stack else _Mark()
        if isinstance(value, _Mark):
            raise self._refusal("the stack is empty")
        return value

    def _refusal(self, why: str) -> BundleRefused:
        return BundleRefused(f"{self._where}: {why}")
