"""YAML that strangers wrote, read without running code and without being blown up; YAML of ours, written the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 10 << 20
MAX_DEPTH = 100
MAX_NODES = 1_000_000
"""Values in a document once every alias is written out."""


Lines = dict[tuple[str, ...], int]
"""Where the keys of a document stand: the keys that lead to one, and its line, from 1. Items of lists are not among them."""


class HostileYaml(InvalidValue):
    """YAML that is broken, or larger, deeper or other than metadata can be.

    Attributes:
        reason: what is wrong, without the document's name.
        line: where, from 1; None if no single line is to blame.
    """

    def __init__(self, what: str, reason: object, line: int | None = None) -> None:
        super().__init__(f"{what} is not metadata in YAML: {reason}. No part of it was used.")
        self.reason, self.line = str(reason), line


def read_mapping(text: str, what: str) -> dict[str, Any]:
    """The mapping that a document is, with text as keys.

    Args:
        what: names the document in errors, such as "the MLmodel of 'runs:/...'".
    Raises:
        HostileYaml: tags that make objects, aliases that grow beyond all bounds, deep nesting, syntax errors, no mapping.
    """
    return _read(text, what)[0]


def read_located(text: str, what: str) -> tuple[dict[str, Any], Lines]:
    """As `read_mapping`, with the line of each key, for errors that say where."""
    found, node = _read(text, what)
    lines: Lines = {}
    _locate(node, (), lines)
    return found, lines


def _read(text: str, what: str) -> tuple[dict[str, Any], yaml.MappingNode]:
    import yaml

    if len(text) > MAX_BYTES:
        raise HostileYaml(what, f"it has more than {MAX_BYTES} characters")
    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(text, loader_class, what)
        loader = loader_class(text)
        try:
            node = loader.get_single_node()
            if not isinstance(node, yaml.MappingNode):
                raise HostileYaml(what, "it is no mapping of names to values")
            _count(node, {}, what)
            found = loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, *_OF_CONSTRUCTORS) as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else min(mark.line, text.count("\n")) + 1
        raise HostileYaml(what, " ".join(str(error).split())[:300], line) from None
    return {str(key): value for key, value in found.items()}, node


def _locate(node: yaml.Node, above: tuple[str, ...], lines: Lines) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                path = (*above, key.value)
                lines[path] = key.start_mark.line + 1
                _locate(value, path, lines)


_OF_CONSTRUCTORS = (ValueError, TypeError, OverflowError, LookupError, AttributeError)
"""What PyYAML raises besides for a tagged value that is not of its tag, such as `!!int x`, `!!bool x`, `!!timestamp x`."""


def _check_depth(text: str, loader_class: Any, what: str) -> None:
    """On the events, which are read without recursion, before anything that recurses sees the text."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=loader_class):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise HostileYaml(what, f"it nests deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _count(node: yaml.Node, sizes: dict[int, int | None], what: str) -> int:
    """How many values a node stands for with its aliases written out. An alias to a node above it has no end."""
    import yaml

    known = sizes.get(id(node), 0)
    if known is None:
        raise HostileYaml(what, "it contains itself")
    if known:
        return known
    sizes[id(node)] = None
    size = 1
    if isinstance(node, yaml.SequenceNode):
        size += sum(_count(child, sizes, what) for child in node.value)
    elif isinstance(node, yaml.MappingNode):
        size += sum(_count(key, sizes, what) + _count(value, sizes, what) for key, value in node.value)
    if size > MAX_NODES:
        raise HostileYaml(what, f"it holds more than {MAX_NODES} values")
    sizes[id(node)] = size
    return size


def write(mapping: dict[str, Any]) -> str:
    """Block style, keys sorted, UTF-8, no aliases. Raises InvalidValue naming a value that plain YAML cannot hold."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    try:
        return yaml.dump(mapping, Dumper=Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True)
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidValue(
            f"Metadata is made of text, numbers, booleans, lists and dicts; this cannot be written: {str(error)[:300]}"
        ) from None
