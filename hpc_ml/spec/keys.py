"""Every key of a job with its flag, its environment variable and its help, from the models.

The one table that flags, `HPC_ML_*`, `--set` and the help are made from. A field says what
its type does not by `json_schema_extra`:

    flag: "--param"           another flag than the field's name; None: no flag
    flags: [..]               several, the first one is shown
    flag_prefix: ""           of a nested model: what stands before its fields' flags
    form: "values"            a mapping, by repeated NAME=VALUE
          "lists"             a mapping of lists, by repeated NAME=V1,V2,..
          "items"             a list, by repeating the flag
          "yaml"              any value, in YAML's flow style
          "source"            where data come from: a path or a name
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hpc_ml.spec.allowed import Schema, choices, variants
from hpc_ml.spec.job import Job
from hpc_ml.spec.model import SpecModel

KeyPath = tuple[str, ...]
Form = Literal["text", "switch", "list", "items", "values", "lists", "yaml", "source"]
Section = Literal["data", "place and resources", "task", "run"]

# What the commands take besides the keys of a job.
RESERVED_FLAGS = frozenset(
    {"--job", "--set", "--runs", "--run-id", "--dry-run", "--json", "--debug", "--help"}
)
ENVIRONMENT_PREFIX = "HPC_ML_"

_SECTIONS: dict[str, Section] = {
    "data": "data",
    **dict.fromkeys(("on", "mode", "site", "resources", "controller"), "place and resources"),
    "settings": "task",
}
_METAVARS = {"list": "A,B,..", "values": "NAME=VALUE", "lists": "NAME=V1,V2,..",
             "yaml": "VALUE", "source": "PATH|NAME"}  # fmt: skip
_TYPES = {"integer": "N", "number": "X", "walltime": "TIME", "memory": "SIZE"}


@dataclass(frozen=True)
class Key:
    """One key of a job.

    Parameters
    ----------
    path : tuple of str
        Where it stands in the job file: ``("resources", "workers")``.
    flags : tuple of str
        Its flags, the first is the one to show; empty for none.
    form : str
        How its value is written as a text.
    section : str
        The part of the help that it belongs to.
    help, default, schema
        What it means, what it is unless said, what it may be (JSON schema).
    """

    path: KeyPath
    flags: tuple[str, ...]
    form: Form
    section: Section
    help: str
    default: Any
    schema: Schema

    @property
    def dotted(self) -> str:
        return ".".join(self.path)

    @property
    def repeated(self) -> bool:
        """Whether its flag may be given several times."""
        return self.form in ("items", "values", "lists")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it."""
        words = ["__".join(self.path), *(flag.removeprefix("--") for flag in self.flags)]
        names = (ENVIRONMENT_PREFIX + word.replace("-", "_").upper() for word in words)
        return tuple(dict.fromkeys(names))

    @property
    def metavar(self) -> str:
        """What stands for its value in the help."""
        if named := choices(self.schema):
            types = [v for v in variants(self.schema) if "enum" not in v and "const" not in v]
            return "|".join([*(_metavar_of(v) for v in types), *map(str, named)])
        if self.form in _METAVARS:
            return _METAVARS[self.form]
        return _metavar_of(variants(self.schema)[0])

    @property
    def optional(self) -> bool:
        """Whether null is a value of it."""
        return any(v.get("type") == "null" for v in self.schema.get("anyOf", ()))


def _metavar_of(variant: Schema) -> str:
    return _TYPES.get(variant.get("format") or variant.get("type", ""), "TEXT")


@cache
def common_keys() -> tuple[Key, ...]:
    """Return the keys that every task shares."""
    return tuple(key for key in keys_of(Job) if key.path[0] != "settings")


@cache
def all_keys(settings_class: type[SpecModel]) -> tuple[Key, ...]:
    """Return the common keys, then the task's own.

    Raises TypeError where a settings class takes a key or flag that is taken already.
    """
    own = tuple(_keys_of(settings_class, (), "", "task"))
    if taken := {key.path[0] for key in own} & set(Job.model_fields):
        raise TypeError(f"{settings_class.__qualname__} has keys of every job: {sorted(taken)}")
    keys = common_keys() + own
    flags = [flag for key in keys for flag in key.flags] + list(RESERVED_FLAGS)
    if twice := {flag for flag in flags if flags.count(flag) > 1}:
        raise TypeError(f"{settings_class.__qualname__} has flags that are taken: {sorted(twice)}")
    return keys


@cache
def keys_of(model: type[SpecModel]) -> tuple[Key, ...]:
    """Return the keys of any model, nested ones too."""
    return tuple(_keys_of(model, (), "", None))


def nested_model(annotation: Any) -> type[SpecModel] | None:
    """Return the model that a field holds, or None; ``Model | None`` counts."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return nested_model(kinds[0]) if len(kinds) == 1 else None
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return annotation
    return None


def declared_form(model: type[SpecModel], name: str) -> Form | None:
    """Return the form that a field declares, if it does."""
    form: Form | None = _extra(model, name).get("form")
    return form


def _extra(model: type[SpecModel], name: str) -> Mapping[str, Any]:
    extra = model.model_fields[name].json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _keys_of(
    model: type[SpecModel], path: KeyPath, prefix: str, section: Section | None
) -> Iterator[Key]:
    schemas = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        extra = _extra(model, name)
        part = section or _SECTIONS.get(name, "run")
        nested = nested_model(field.annotation)
        if nested is None or "form" in extra:
            yield Key(
                path=(*path, name),
                flags=_flags_of(name, prefix, extra),
                form=extra.get("form") or _form_of(schemas[name]),
                section=part,
                help=field.description or "",
                default=None if nested or field.is_required() else field.default,
                schema=schemas[name],
            )
        if nested is not None:
            inner_prefix = extra.get("flag_prefix", f"{prefix}{name.replace('_', '-')}-")
            yield from _keys_of(nested, (*path, name), inner_prefix, part)


def _flags_of(name: str, prefix: str, extra: Mapping[str, Any]) -> tuple[str, ...]:
    if "flags" in extra:
        return tuple(extra["flags"])
    if "flag" in extra:
        return () if extra["flag"] is None else (extra["flag"],)
    return (f"--{prefix}{name.replace('_', '-')}",)


def _form_of(schema: Schema) -> Form:
    kinds = {variant.get("type") for variant in variants(schema)}
    if kinds == {"boolean"}:
        return "switch"
    if "array" in kinds and kinds <= {"array", "string"}:
        return "list"
    return "text" if len(kinds) == 1 and not kinds & {"object", None} else "yaml"
