"""pydantic's errors in a user's words: the place, the key, what was given, what is allowed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from hpc_ml.errors import BadJob, HpcMlError
from hpc_ml.spec.allowed import Schema, choices, describe, variants
from hpc_ml.spec.keys import Key, KeyPath, keys_of
from hpc_ml.spec.layer import Complaint, refusal
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.nearest import closest, nearest

ModelT = TypeVar("ModelT", bound=SpecModel)

_SHOWN = 60


def validate(
    model: type[ModelT],
    values: Mapping[str, Any],
    place_of: Callable[[KeyPath], str | None],
    *,
    error: type[HpcMlError] = BadJob,
) -> ModelT:
    """Return the model of some values.

    Parameters
    ----------
    model : type of SpecModel
        What to make of them.
    values : mapping
        Nested as the model.
    place_of : callable
        Gives the place of a key's value, such as ``site.yaml:3``, or None.
    error : type of HpcMlError
        What to raise where they do not fit, in a user's words and a line for each key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as reason:
        keys = {key.path: key for key in keys_of(model)}
        raise refusal(_complaints(reason, values, keys, place_of), error) from None
    except UnicodeEncodeError as reason:  # pydantic minds it in values, but not in names
        found = reason.object[reason.start : reason.end]
        raise error(f"a name in the job has {found!a}, which is no text in UTF-8") from None


def _complaints(
    reason: ValidationError,
    values: Mapping[str, Any],
    keys: Mapping[KeyPath, Key],
    place_of: Callable[[KeyPath], str | None],
) -> Iterator[Complaint]:
    """Yield a complaint for each key that is wrong; the errors of a union's branches are one."""
    by_path: dict[KeyPath, list[Any]] = {}
    for detail in reason.errors(include_url=False):
        path = _path_of(detail, values)
        owner = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in keys), path)
        by_path.setdefault(owner, []).append(detail | {"path": path})
    for path, details in by_path.items():
        first = details[0]
        own = next((d for d in details if d["type"] == "value_error"), None)
        if own is not None:
            yield _complain_in_its_words(path, str(own["ctx"]["error"]), keys, place_of)
        elif first["type"] == "missing":
            yield _complain_of_none(path, keys.get(path))
        elif first["type"] == "extra_forbidden":
            siblings = [known[-1] for known in keys if known[:-1] == path[:-1]]
            hint = nearest(path[-1], siblings)
            yield Complaint(f"unknown key {_dotted(path)!r}", place_of(path), hint)
        elif inside := _schema_inside(path, first["path"], keys):
            yield _complain_of_value(first["path"], first["input"], inside, place_of)
        elif path in keys and (len(details) > 1 or first["path"] == path):
            yield _complain_of_value(path, _look_up(values, path), keys[path].schema, place_of)
        else:
            # Inside a list or a free mapping: pydantic's own words say what is allowed there.
            message = first["msg"][0].lower() + first["msg"][1:]
            problem = f"{_dotted(first['path'])}: {message}, not {_show(first['input'])}"
            yield Complaint(problem, place_of(path))


def _schema_inside(owner: KeyPath, path: KeyPath, keys: Mapping[KeyPath, Key]) -> Schema | None:
    """Return what an entry of a key's list or mapping may be, where its schema says one thing."""
    if owner not in keys or path == owner:
        return None
    found = [keys[owner].schema]
    for _ in path[len(owner) :]:
        found = [
            variant[part]
            for schema in found
            for variant in variants(schema)
            for part in ("items", "additionalProperties")
            if isinstance(variant.get(part), Mapping)
        ]
    return found[0] if len(found) == 1 else None


def _dotted(path: KeyPath) -> str:
    """Return a key as the job file has it, where the task's own keys stand at the top."""
    return ".".join(path).removeprefix("settings.")


def _path_of(detail: Any, values: Any) -> KeyPath:
    """Return the path of keys of an error; its `loc` names the branches of unions too."""
    path: KeyPath = ()
    for part in detail["loc"]:
        if _holds(values, part):
            values = values[part]
        elif detail["type"] != "missing" or part != detail["loc"][-1]:
            continue
        path = (*path, str(part))
    return path


def _holds(values: Any, part: str | int) -> bool:
    if isinstance(values, Mapping):
        return part in values
    return isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)


def _look_up(values: Any, path: KeyPath) -> Any:
    for name in path:
        if not (isinstance(values, Mapping) and name in values):
            return None
        values = values[name]
    return values


def _complain_of_none(path: KeyPath, key: Key | None) -> Complaint:
    flag = f"{key.flags[0]} or " if key and key.section == "task" and key.flags else ""
    return Complaint(f"{_dotted(path)} is missing", hint=f"give {flag}the key {path[-1]!r}")


def _complain_of_value(
    path: KeyPath, given: Any, schema: Schema, place_of: Callable[[KeyPath], str | None]
) -> Complaint:
    problem = f"{_dotted(path)} takes {describe(schema)}, not {_show(given)}"
    return Complaint(problem, place_of(path), _advise(given, schema))


def _complain_in_its_words(
    path: KeyPath,
    message: str,
    keys: Mapping[KeyPath, Key],
    place_of: Callable[[KeyPath], str | None],
) -> Complaint:
    own = path[path[:1] == ("settings",) :]
    known = {key.path[key.section == "task" :] for key in keys.values()}
    words = (tuple(word.strip("'\":,;()").split(".")) for word in message.split())
    below = (word for word in words if word[: len(own)] == own != word)
    mentioned = [word for word in below if word in known or word[:-1] in known]
    # A check of several keys has no place of its own: the first key that it names and that was
    # given is where to look.
    place = next(filter(None, map(place_of, mentioned)), None) or place_of(path)
    named = not own or mentioned or message.startswith(own[-1])
    return Complaint(message if named else f"{_dotted(path)}: {message}", place)


def _advise(given: Any, schema: Schema) -> str | None:
    if isinstance(given, str) and (named := choices(schema)):
        # What else there is stands in the complaint already.
        near = closest(given, map(str, named)) if len(named) > 1 else None
        return f"did you mean {near!r}?" if near else None
    text = "text" in describe(schema).split(" or ")
    if text and isinstance(given, bool | int | float):
        return f"write it in quotes: '{given}'"
    return None


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
