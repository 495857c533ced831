"""YAML 1.2 in and out: plain values, and the line that each key stands in."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from hpc_ml.errors import BadJob, HpcMlError
from hpc_ml.spec.scalars import TAG, read_scalar, tag_of

KeyPath = tuple[str, ...]

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000  # aliases expanded: a file of ten lines can stand for a thousand million
MAX_DEPTH = 50

_PLAINER = {"but found another document": "more than one document ('---')"}


@dataclass(frozen=True)
class YamlFile:
    """What a YAML file holds.

    `name` is the file as errors name it, `values` its mapping, `lines` the line (from 1) of each
    key, by the path of keys that leads to it.
    """

    name: str
    values: dict[str, Any]
    lines: Mapping[KeyPath, int]

    @property
    def places(self) -> dict[KeyPath, str]:
        """The file and line of each key, as errors name them."""
        return {path: f"{self.name}:{line}" for path, line in self.lines.items()}


def read_yaml(path: Path, *, error: type[HpcMlError] = BadJob, empty_ok: bool = False) -> YamlFile:
    """Read the mapping that a file holds.

    Parameters
    ----------
    path : Path
        The file; errors name it as it is given here.
    error : type of HpcMlError
        What to raise for a file that cannot be read or is not such YAML; it names the line.
    empty_ok : bool
        Whether a file without any key is an empty mapping.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise error("there is no such file", where=str(path)) from None
    except OSError as reason:
        problem = (reason.strerror or str(reason)).lower()
        raise error(f"cannot be read: {problem}", where=str(path)) from None
    if len(content) > MAX_BYTES:
        raise error(f"larger than {MAX_BYTES:,} bytes, so no file of settings", where=str(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        line = content.count(b"\n", 0, reason.start) + 1
        raise error("not text in UTF-8", where=f"{path}:{line}") from None
    return parse_yaml(text, str(path), error=error, empty_ok=empty_ok)


def parse_yaml(
    text: str, name: str, *, error: type[HpcMlError] = BadJob, empty_ok: bool = False
) -> YamlFile:
    """Return the mapping that a text holds; `name` stands for the file in errors."""
    reader = _Reader(name, error)
    root = reader.compose(text)
    values = None if root is None else reader.value_of(root, ())
    if values is None and empty_ok:
        return YamlFile(name, {}, {})
    if not isinstance(values, dict):
        problem = "nothing in it" if values is None else "not a mapping"
        raise error(problem, where=f"{name}:1", hint="write lines of the form 'key: value'")
    return YamlFile(name, values, reader.lines)


def parse_value(text: str, name: str) -> Any:
    """Return the value of a text such as `[1, 2]`, a word of a command line; raises BadJob.

    It is YAML's flow style, in which Python's `None` is null too. `name` stands for the word's
    option in errors.
    """
    reader = _Reader(name, BadJob, one_word=True)
    root = reader.compose(text)
    return None if root is None else reader.value_of(root, ())


def dump_yaml(mapping: Mapping[str, Any]) -> str:
    """Return YAML 1.2 that reads back as the same plain values, keys in the order given."""
    yaml = _new_yaml()
    yaml.Representer = _PlainRepresenter
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.allow_unicode = True
    yaml.width = sys.maxsize  # folded lines would have to keep runs of blanks apart
    stream = StringIO()
    yaml.dump(dict(mapping), stream)
    return stream.getvalue()


class _CoreResolver(VersionedResolver):
    """Resolves plain scalars by `read_scalar`, where ruamel.yaml would also read dates."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is not ScalarNode:
            return super().resolve(kind, value, implicit)
        return Tag(suffix=tag_of(read_scalar(value)) if implicit[0] else TAG + "str")


class _PlainRepresenter(SafeRepresenter):
    """Writes values out where they stand, and what is not printable as escapes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> ScalarNode:
        # Unquoted, U+0085 and its like would read back as line breaks.
        style = None if data.isprintable() else '"'
        return self.represent_scalar(TAG + "str", data, style=style)


_PlainRepresenter.add_representer(str, _PlainRepresenter.represent_text)


def _new_yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = _CoreResolver
    yaml.max_depth = MAX_DEPTH
    return yaml


class _Reader:
    """Turns one text into plain values, and notes the line of each key on the way."""

    def __init__(self, name: str, error: type[HpcMlError], *, one_word: bool = False) -> None:
        self.name = name
        self.error = error
        self.one_word = one_word
        self.lines: dict[KeyPath, int] = {}
        self._values = 0

    def compose(self, text: str) -> Node | None:
        yaml = _new_yaml()
        yaml.composer.warn_double_anchors = False
        try:
            return yaml.compose(text)
        except MaxDepthExceededError as reason:
            problem, line = f"nested more than {MAX_DEPTH} deep", reason.problem_mark.line + 1
        except MarkedYAMLError as reason:
            mark = reason.problem_mark or reason.context_mark
            problem = _PLAINER.get(reason.problem, reason.problem or reason.context)
            line = 1 if mark is None else mark.line + 1
        except (YAMLError, ValueError) as reason:
            # The reader's own errors, such as a control character, carry a position instead.
            problem = " ".join(str(reason).split())
            line = text.count("\n", 0, getattr(reason, "position", 0)) + 1
        raise self._refusal(f"not YAML: {problem}", line)

    def value_of(self, node: Node, path: KeyPath) -> Any:
        self._values += 1
        if self._values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise self._refusal("its aliases expand to too many values", _line_of(node))
        tag = str(node.tag)
        if isinstance(node, ScalarNode):
            return self._scalar_of(node, tag)
        if isinstance(node, SequenceNode) and tag == TAG + "seq":
            return [self.value_of(n, (*path, str(i))) for i, n in enumerate(node.value)]
        if isinstance(node, MappingNode) and tag == TAG + "map":
            return self._mapping_of(node, path)
        raise self._tag_refusal(node, tag)

    def _scalar_of(self, node: ScalarNode, tag: str) -> Any:
        if tag == TAG + "str":
            plain = self.one_word and not node.style
            return None if plain and node.value == "None" else node.value
        value = read_scalar(node.value)
        if tag == TAG + "float" and type(value) is int:
            return float(value)
        if tag != tag_of(value):
            raise self._tag_refusal(node, tag)
        return value

    def _mapping_of(self, node: MappingNode, path: KeyPath) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = _line_of(key_node)
            if not isinstance(key_node, ScalarNode):
                raise self._refusal("a list or mapping cannot be a key", line)
            key = self._scalar_of(key_node, str(key_node.tag))
            key_path = (*path, str(key))
            if key in mapping:
                first = None if self.one_word else self.lines.get(key_path)
                problem = f"key {str(key)!r} is here twice"
                raise self._refusal(f"{problem}, first in line {first}" if first else problem, line)
            self.lines[key_path] = line
            mapping[key] = self.value_of(value_node, key_path)
        return mapping

    def _tag_refusal(self, node: Node, tag: str) -> HpcMlError:
        return self._refusal(f"tag {tag.replace(TAG, '!!')} does not fit here", _line_of(node))

    def _refusal(self, problem: str, line: int) -> HpcMlError:
        return self.error(problem, where=self.name if self.one_word else f"{self.name}:{line}")


def _line_of(node: Node) -> int:
    return int(node.start_mark.line) + 1
