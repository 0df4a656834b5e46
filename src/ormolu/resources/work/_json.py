"""The JSON that clients may send: UTF-8, finite, without repeated keys, and not too deep."""

from __future__ import annotations

import codecs
import json
from typing import Any, NoReturn

from ormolu.errors import RefusedError
from ormolu.query import Location, entry_of

__all__ = ["read_json"]

_MAX_DEPTH = 100


def read_json(raw: bytes, location: Location) -> Any:
    """Read a JSON text.

    Raises:
        RefusedError: It is none, or has a key twice.
    """
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise _refuse(location, "Is not UTF-8") from None
    except json.JSONDecodeError as error:
        has_mark = raw.startswith(codecs.BOM_UTF8)
        message = "Begins with a byte order mark" if has_mark else error.msg
        raise _refuse(location, message) from None
    except _OddError as error:
        raise _refuse(location, str(error)) from None
    except (RecursionError, ValueError):
        raise _refuse(location, "Is not valid JSON") from None
    _check_depth(value, location)
    return value


class _OddError(Exception):
    """The text is JSON to Python, but not to the standard."""


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        message = "Has a key twice"
        raise _OddError(message)
    return value


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is no JSON"
    raise _OddError(message)


# Making a decoder takes as long as reading a small body.
_DECODER = json.JSONDecoder(object_pairs_hook=_read_object, parse_constant=_refuse_constant)


def _check_depth(value: Any, location: Location) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise _refuse(location, "Is nested too deep")
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]


def _refuse(location: Location, message: str) -> RefusedError:
    entry = entry_of(location, "json_invalid", message)
    # A malformed body is a bad request; a malformed parameter is a wrong value.
    code = "malformed_json" if location[0] == "body" else "validation_error"
    return RefusedError(code, f"{'.'.join(map(str, location))}: {message}", [entry])
