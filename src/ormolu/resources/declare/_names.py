"""The clients' names of a model's columns and relations: the aliases of its public model.

It knows Pydantic, but no declaration and no request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import AliasGenerator, BaseModel
from pydantic.fields import FieldInfo

from ormolu.errors import ConfigurationError
from ormolu.query import is_secret_hint

__all__ = [
    "Generate", "check_names", "client_names", "generator_of", "is_left_out", "is_withheld",
]  # fmt: skip

# From the name of an attribute to the client's name for it.
Generate = Callable[[str], str]

# Paths, lists of names and sorts separate names by these; a sort may put `-` before one.
_SPECIAL = re.compile(r"^-|^$|[.,:\x00-\x1f]")


def generator_of(generate: Generate | None, model: type[BaseModel] | None) -> Generate:
    """Return the generator for what has no alias: of the option, else of the public model."""
    found: Any = generate
    if found is None and model is not None:
        found = model.model_config.get("alias_generator")
    if isinstance(found, AliasGenerator):
        found = found.serialization_alias or found.alias
    return found or str


def client_names(
    attributes: Iterable[str], model: type[BaseModel] | None, generate: Generate
) -> dict[str, str]:
    """Return the client's name of each attribute: its serialization alias, else generated."""
    fields = {} if model is None else model.model_fields
    aliases = {name: info.serialization_alias for name, info in fields.items()}
    return {
        name: generate(name) if alias is None else alias
        for name, alias in ((name, aliases.get(name)) for name in attributes)
    }


def is_withheld(info: FieldInfo) -> bool:
    """Tell whether answers leave a field out, maybe of some rows only, or mask its value."""
    return is_left_out(info) or is_secret_hint(info.annotation)


def is_left_out(info: FieldInfo) -> bool:
    """Tell whether dumps leave a field out, maybe of some rows only."""
    return bool(info.exclude or getattr(info, "exclude_if", None))


def check_names(owner: str, names: Mapping[str, str]) -> None:
    """Check that clients can write each name, and that no two attributes have the same.

    Raises:
        ConfigurationError: A name has special characters, or is another attribute's.
    """
    known: dict[str, str] = {}
    for attribute, name in names.items():
        if not isinstance(name, str) or _SPECIAL.search(name):
            message = (
                f"resource({owner}): the alias {name!r} of {attribute!r} cannot stand in a list of "
                "names or a path. Write one without . , : and without - before it."
            )
            raise ConfigurationError(message)
        other = known.setdefault(name, attribute)
        if other != attribute:
            message = (
                f"resource({owner}): {other!r} and {attribute!r} are both called {name!r}. "
                "Give one of them another alias."
            )
            raise ConfigurationError(message)
