"""What clients call the columns and the relations of a model: the aliases of its public model.

Knows Pydantic; no declaration and no request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import AliasGenerator, BaseModel
from pydantic.fields import FieldInfo

from ormolu.errors import ConfigurationError
from ormolu.query import is_secret_hint

__all__ = ["Generate", "check_names", "client_names", "generator_of", "is_kept_back"]

# From the name of an attribute to what clients call it.
Generate = Callable[[str], str]

# A path, a list of names and a sort have these between names; `-` stands before one.
_SPECIAL = re.compile(r"^-|^$|[.,:\x00-\x1f]")


def generator_of(generate: Generate | None, model: type[BaseModel] | None) -> Generate:
    """Return what names all that no alias does: the option's, else the public model's own."""
    found: Any = generate
    if found is None and model is not None:
        found = model.model_config.get("alias_generator")
    if isinstance(found, AliasGenerator):
        found = found.serialization_alias or found.alias
    return found or str


def client_names(
    attributes: Iterable[str], model: type[BaseModel] | None, generate: Generate
) -> dict[str, str]:
    """Return what clients call each attribute: the alias in answers, else what is generated."""
    fields = {} if model is None else model.model_fields
    aliases = {name: info.serialization_alias for name, info in fields.items()}
    return {
        name: generate(name) if alias is None else alias
        for name, alias in ((name, aliases.get(name)) for name in attributes)
    }


def is_kept_back(info: FieldInfo) -> bool:
    """Tell whether answers leave a field out, of some rows at least, or write no value of it."""
    is_left_out = info.exclude or getattr(info, "exclude_if", None)
    return bool(is_left_out or is_secret_hint(info.annotation))


def check_names(owner: str, names: Mapping[str, str]) -> None:
    """Check that clients can name each attribute, and no two by one name.

    Raises:
        ConfigurationError: They cannot.
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
