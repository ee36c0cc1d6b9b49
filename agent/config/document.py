"""YAML text to plain data that knows the line of every key and value.

Knows nothing of what the keys mean. Whatever the octets are, there is a document or a :class:`ConfigError`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml
from yaml.reader import Reader

from agent.config.problems import ConfigError, Key, Problem, dotted
from agent.config.surprises import TEXT, surprise_in
from agent.config.syntax import Position, position_of, syntax_problem

Loader: TypeAlias = type[yaml.CSafeLoader | yaml.SafeLoader]
FASTEST_LOADER: Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C, seven times as fast, where PyYAML was built with libyaml."""

_YAML = "tag:yaml.org,2002:"
_TAGS: Mapping[type[yaml.Node], Collection[str]] = {
    yaml.MappingNode: ("map",),
    yaml.SequenceNode: ("seq",),
    yaml.ScalarNode: (*TEXT, "null", "bool", "int", "float", "timestamp", "merge"),
}

# libyaml's composer recurses on the C stack: 100,000 opening brackets end the process with SIGSEGV.
_DEEPEST = 32
# Aliases within aliases grow exponentially; a thousand probes are some twenty thousand values.
_MOST_VALUES = 200_000

Data: TypeAlias = "str | int | float | bool | list[Data] | dict[str, Data] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain data of one YAML file, and where each part of it stands.

    ``problems`` are mistakes that left the rest readable: the data holds the text as it is written there.
    """

    file: str
    data: dict[str, Data]
    keys: Mapping[Key, Position]
    values: Mapping[Key, Position]
    problems: tuple[Problem, ...] = ()

    def problem(self, key: Key, message: str, *, at_key: bool = False) -> Problem:
        """Say what is wrong with the value at ``key`` (or with the key itself), in its place.

        What is not in the file is placed at the nearest thing around it that is.
        """
        position = self._position(key, at_key=at_key)
        return Problem(file=self.file, line=position.line, column=position.column, key=dotted(key), message=message)

    def _position(self, key: Key, *, at_key: bool) -> Position:
        if at_key and key in self.keys:
            return self.keys[key]
        if key in self.values:
            return self.values[key]
        parent = key[:-1]
        return self._position(parent, at_key=True) if parent else Position(1, 1)


def parse_document(octets: bytes, *, file: str, loader: Loader = FASTEST_LOADER) -> Document:
    """Read one YAML document; ``file`` is only what problems are reported with.

    Raise :class:`ConfigError` and nothing else where there is no mapping to go on with.
    """
    text = _decoded(octets, file)
    try:
        _refuse_depth(text, file, loader)
        node = _composed(text, loader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([syntax_problem(error, text, file)]) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The loader without libyaml passes escapes such as "\UFFFFFFFF" to chr() and lets its error through.
        raise ConfigError([Problem(file=file, message=f"not YAML: {' '.join(str(error).split())}")]) from error
    if node is None:
        raise ConfigError(
            [Problem(file=file, line=1, column=1, message="the file is empty: it needs targets and probes")]
        )
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError([_root_problem(node, file)])
    return _Walk(file).document(node)


def _decoded(octets: bytes, file: str) -> str:
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        column = error.start - octets.rfind(b"\n", 0, error.start)
        message = f"not UTF-8 (octet 0x{octets[error.start]:02x}): save the file as UTF-8"
        raise ConfigError([Problem(file=file, line=line, column=column, message=message)]) from error
    found = Reader.NON_PRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        message = f"YAML does not allow the character {found[0]!r}: remove it"
        raise ConfigError([Problem(file=file, line=line, column=column, message=message)])
    return text


def _refuse_depth(text: str, file: str, loader: Loader) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            place = position_of(event.start_mark)
            message = f"nested deeper than {_DEEPEST} levels: no key of this file is"
            raise ConfigError([Problem(file=file, line=place.line, column=place.column, message=message)])


def _composed(text: str, loader: Loader) -> yaml.Node | None:
    composer = loader(text)
    try:
        return composer.get_single_node()
    finally:
        composer.dispose()


def _root_problem(node: yaml.Node, file: str) -> Problem:
    place = position_of(node.start_mark)
    message = "the file must be a mapping of sections such as 'paths:', 'targets:' and 'probes:'"
    return Problem(file=file, line=place.line, column=place.column, message=message)


@dataclass(slots=True)
class _Walk:
    """Turns a tree of nodes into plain data, and notes positions and problems on the way."""

    file: str
    keys: dict[Key, Position] = field(default_factory=dict)
    values: dict[Key, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def document(self, root: yaml.MappingNode) -> Document:
        data = self._mapping(root, ())
        return Document(file=self.file, data=data, keys=self.keys, values=self.values, problems=tuple(self.problems))

    def _value(self, node: yaml.Node, key: Key) -> Data:
        self.values[key] = position_of(node.start_mark)
        if len(key) > _DEEPEST or len(self.values) > _MOST_VALUES:
            self._refuse(node, key[:3], "the anchors of this file expand without end: write the values out")
            raise ConfigError(self.problems)
        if node.tag.removeprefix(_YAML) not in _TAGS[type(node)]:
            self._refuse(node, key, f"tags such as {node.tag.replace(_YAML, '!!')} are not supported: remove it")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*key, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode), "there are three kinds of nodes"
        return self._scalar(node, key)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Data]:
        data: dict[str, Data] = {}
        for name_node, value_node in node.value:
            name = self._name(name_node, key)
            if name is None:
                continue
            here = (*key, name)
            if name in data:
                first = self.keys[here]
                self._refuse(name_node, here, f"given twice (first in line {first.line}): remove one")
                continue
            self.keys[here] = position_of(name_node.start_mark)
            data[name] = self._value(value_node, here)
        return data

    def _name(self, node: yaml.Node, key: Key) -> str | None:
        """Return the text of a key, ``None`` where there is none to go on with."""
        if node.tag == f"{_YAML}merge":
            self._refuse(node, (*key, "<<"), "merge keys are not supported: write the keys out")
            return None
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(node, key, "a key must be text, not a list or a mapping")
            return None
        name = str(node.value)
        kind = node.tag.removeprefix(_YAML)
        surprise = surprise_in(name, kind, plain=not node.style)
        if surprise:
            self._refuse(node, (*key, name), surprise)
        elif kind not in TEXT:
            self._refuse(node, (*key, name), f"a key must be text: write '{name}' in quotes")
        return name

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> Data:
        text, kind = str(node.value), node.tag.removeprefix(_YAML)
        surprise = surprise_in(text, kind, plain=not node.style)
        if surprise:
            self._refuse(node, key, surprise)
            return None if kind == "null" else text
        match kind:
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text, 0)
            case "float":
                return float(text)
            case _:
                return text

    def _refuse(self, node: yaml.Node, key: Key, message: str) -> None:
        place = position_of(node.start_mark)
        self.problems.append(
            Problem(file=self.file, line=place.line, column=place.column, key=dotted(key), message=message)
        )
