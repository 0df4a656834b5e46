"""Pydantic's secrets, which are masked in dumps and logs, but stored as their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

__all__ = ["bare_hint", "holds_secret", "is_secret_hint", "revealed"]

_SECRETS = (Secret, SecretBytes, SecretStr)


def is_secret_hint(hint: Any) -> bool:
    """Tell whether an annotation is a secret, or a container of secrets."""
    return _is_one(hint) or any(map(is_secret_hint, get_args(hint)))


def holds_secret(hint: Any) -> bool:
    """Tell whether values contain a secret anywhere, also in a field of a model."""
    return any(map(_is_one, _parts(hint, [])))


def bare_hint(hint: Any) -> Any:
    """Return the type of the value in a secret; any other annotation itself."""
    if not _is_one(hint):
        return hint
    kind = get_origin(hint) or hint
    plain = str if issubclass(kind, SecretStr) else bytes if issubclass(kind, SecretBytes) else None
    return plain or next(iter(get_args(hint)), Any)


def revealed(value: Any) -> Any:
    """Return a value with all secrets in it replaced by their values."""
    if isinstance(value, _SECRETS):
        return revealed(value.get_secret_value())
    if isinstance(value, dict):
        found = {name: revealed(each) for name, each in value.items()}
        return found if any(found[name] is not value[name] for name in found) else value
    if isinstance(value, (list, tuple)):
        items = [revealed(each) for each in value]
        is_same = all(one is other for one, other in zip(items, value, strict=True))
        return value if is_same else items
    return value


def _is_one(hint: Any) -> bool:
    kind = get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, _SECRETS)


def _parts(hint: Any, seen: list[Any]) -> Iterator[Any]:
    if any(hint is each for each in seen):
        return
    seen.append(hint)
    yield hint
    inner = list(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        inner += [info.annotation for info in hint.model_fields.values()]
    elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
        inner += [field.type for field in dataclasses.fields(hint)]
    for each in inner:
        yield from _parts(each, seen)
