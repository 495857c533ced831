"""What a key may be, in words, from its JSON schema."""

from collections.abc import Mapping
from typing import Any

from hpc_ml.spec.quantities import MEMORY_FORMS, WALLTIME_FORMS

Schema = Mapping[str, Any]

_FORMATS = {"walltime": f"a walltime ({WALLTIME_FORMS})", "memory": f"memory ({MEMORY_FORMS})"}
_WORDS = {"string": "text", "boolean": "true or false", "object": "a mapping", "null": "null"}


def variants(schema: Schema) -> list[Schema]:
    """Return the schemas that a value may fit, null left out."""
    either = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return [variant for variant in either if variant.get("type") != "null"]


def choices(schema: Schema) -> list[Any]:
    """Return the values that are allowed by name; none where the schema is not a choice."""
    return [value for variant in variants(schema) for value in _choices_of(variant)]


def _choices_of(variant: Schema) -> list[Any]:
    return [variant["const"]] if "const" in variant else list(variant.get("enum", ()))


def describe(schema: Schema) -> str:
    """Return what a schema takes: ``a whole number of at least 1``, ``'grid' or 'random'``."""
    return " or ".join(dict.fromkeys(_describe(variant) for variant in variants(schema)))


def _describe(variant: Schema) -> str:
    if named := _choices_of(variant):
        *first, last = (str(value) for value in named)
        return f"{', '.join(first)} or {last}" if first else last
    if variant.get("format") in _FORMATS:
        return _FORMATS[variant["format"]]
    if "$ref" in variant:
        return "a mapping"
    kind = variant.get("type")
    if kind in ("integer", "number"):
        return _describe_number(variant)
    if kind == "array":
        kind = variant.get("items", {}).get("type")
        return {"string": "a list of text", "object": "a list of mappings"}.get(kind, "a list")
    return _WORDS.get(str(kind), "a value")


def _describe_number(variant: Schema) -> str:
    if variant["type"] == "integer" and "exclusiveMinimum" in variant:
        variant = {**variant, "minimum": variant["exclusiveMinimum"] + 1}
        del variant["exclusiveMinimum"]
    limits = [
        f"{word} {variant[name]:,}"
        for name, word in (
            ("minimum", "of at least"), ("exclusiveMinimum", "above"),
            ("maximum", "of at most"), ("exclusiveMaximum", "below"),
        )
        if name in variant
    ]  # fmt: skip
    kind = "a whole number" if variant["type"] == "integer" else "a number"
    return f"{kind} {' and '.join(limits)}" if limits else kind
