"""Relations that no loader option loaded: an error that names the option to write.

Under asyncio a lazy load would have to send a statement where nothing can be awaited.
"""

from __future__ import annotations

from typing import Any, NoReturn

from sqlalchemy.orm import RelationshipProperty

from ormolu.errors import LazyLoadError
from ormolu.seams import add_strategy

__all__ = ["forbid_lazy_loading", "not_loaded_message"]


def forbid_lazy_loading(attribute: object) -> None:
    """Make `lazy="raise"` of a relation's default `lazy="select"`; other choices stay.

    Has an effect only before SQLAlchemy configures the relation's mapper.
    """
    if not isinstance(attribute, RelationshipProperty):
        return
    if attribute.lazy == "select":
        attribute.lazy = "raise"
        if _HAS_STRATEGY:
            attribute.strategy_key = (("lazy", "raise"), ("ormolu", True))
    if attribute.backref is not None:
        given = attribute.backref
        name, options = (given, {}) if isinstance(given, str) else given
        attribute.backref = (name, {"lazy": "raise", **options})


def not_loaded_message(relation: RelationshipProperty[Any]) -> str:
    """Return what is said to who reads a relation that no loader option loaded."""
    option = "selectinload" if relation.uselist else "joinedload"
    model = relation.parent.class_.__name__
    place = f"{model}.{relation.key}"
    return (
        f"{place} was not loaded. Load it with the query: "
        f"select({model}).options({option}({place})), "
        f"or session.get({model}, id, options=[{option}({place})])."
    )


def _refuse_load(loader: Any, _state: object, _passive: object, _lazy: str) -> NoReturn:
    raise LazyLoadError(not_loaded_message(loader.parent_property))


# SQLAlchemy's `lazy="raise"` with an error that says what to write; else that has its own.
_HAS_STRATEGY = add_strategy("ormolu", _refuse_load)
