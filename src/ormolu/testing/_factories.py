"""Objects with random values, by polyfactory: rows that a database takes.

polyfactory's own factory sets a relation and the column of its foreign key, each to something else,
and the two ends of a relation in turn without an end. Here the relation is made, its column and the
other end follow from it, and the database numbers the rows.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from polyfactory.factories.sqlalchemy_factory import SQLAlchemyFactory
from polyfactory.field_meta import FieldMeta
from sqlalchemy import Column, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

__all__ = ["ModelFactory"]

_T = TypeVar("_T")


class ModelFactory(SQLAlchemyFactory[_T], Generic[_T]):
    """Makes objects of a mapped class, with those that they belong to.

    A factory is a class of its own: `class TownFactory(ModelFactory[Town]): ...`, where fields may
    be given as polyfactory knows them. What is given as a foreign key is taken for it, and no
    object made.
    """

    __is_base_factory__ = True

    @classmethod
    def get_model_fields(cls) -> list[FieldMeta]:
        """Return what polyfactory makes values for."""
        mapper: Mapper[Any] = inspect(cls.__model__)
        made = {name: each for name, each in mapper.relationships.items() if _is_made(each)}
        left = {
            mapper.get_property_by_column(column).key
            for relation in made.values()
            for column in relation.local_columns
        }
        left |= {key for key in mapper.relationships.keys() if key not in made}  # noqa: SIM118
        left |= {each.key for each in mapper.column_attrs if _is_given(mapper, each.columns[0])}
        return [field for field in super().get_model_fields() if field.name not in left]

    @classmethod
    def should_set_field_value(cls, field_meta: FieldMeta, **kwargs: Any) -> bool:
        """Tell whether a value is made for a field, beside those that were given."""
        mapper: Mapper[Any] = inspect(cls.__model__)
        relation = mapper.relationships.get(field_meta.name)
        if relation is not None:
            columns = map(mapper.get_property_by_column, relation.local_columns)
            if any(each.key in kwargs for each in columns):
                return False
        return super().should_set_field_value(field_meta, **kwargs)

    @classmethod
    async def add_to(cls, session: AsyncSession, **values: Any) -> _T:
        """Make an object, add it to a session and flush it; to commit is up to you.

        Args:
            session: The session.
            **values: Attributes that are not left to chance.
        """
        made = cls.build(**values)
        session.add(made)
        await session.flush()
        return made

    @classmethod
    async def add_batch_to(cls, session: AsyncSession, size: int, **values: Any) -> list[_T]:
        """Make several objects, add them to a session and flush them."""
        made = cls.batch(size, **values)
        session.add_all(made)
        await session.flush()
        return made


def _is_made(relation: RelationshipProperty[Any]) -> bool:
    """Tell whether a relation is to an object that there must be, and that is not like this one."""
    if relation.direction is not RelationshipDirection.MANYTOONE or relation.viewonly:
        return False
    if relation.mapper.common_parent(relation.parent):
        return False
    return not all(column.nullable for column in relation.local_columns)


def _is_given(mapper: Mapper[Any], column: Any) -> bool:
    """Tell whether a column gets its value from elsewhere: a number, a version, an expression."""
    if not isinstance(column, Column) or column.computed is not None:
        return True
    if column is mapper.version_id_col or (column.foreign_keys and column.nullable):
        return True
    table: Any = column.table
    is_numbered = column is getattr(table, "autoincrement_column", None)
    return is_numbered or bool(column.default or column.server_default)
