"""Values for the rows of throw-away tables: for each type ordinary ones and its extremes, as text.

They have to show what real rows would: values that a narrower type cannot have, that a rule
forbids, that two rows have in common. PostgreSQL reads each from its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Kind", "distinct", "ordinary"]

# The longest text of a column without a limit that an index can still have.
_LONG = 300

_INTEGERS = {"int2": 15, "int4": 31, "int8": 63}

# Years that Python has in any time zone: a revision may read them.
_MOMENTS = ("2026-03-04 12:34:56.789012", "9998-12-30 23:59:59.999999", "0002-01-01 00:00:00")

# By the name of the type: an ordinary value, and others.
_FIXED: dict[str, tuple[str, ...]] = {
    "bool": ("true", "false"),
    "bytea": ("\\x01ff", "\\x"),
    "cidr": ("10.0.0.0/8",),
    "date": ("2026-03-04", "9998-12-30", "0002-01-01"),
    "daterange": ("[2026-03-01,2026-04-01)", "empty", "(,)"),
    "float4": ("1.5", "1e30", "-1e30"),
    "float8": ("1.5", "1e300", "-1e300"),
    "hstore": ("a=>1",),
    "inet": ("10.0.0.1", "2001:db8::1"),
    "int4range": ("[1,9)", "empty", "(,)"),
    "int8range": ("[1,9)", "empty", "(,)"),
    "interval": ("1 day 02:03:04.567891", "-1 year"),
    "json": ('{"a": 1}', "[]", '"text"', "null"),
    "jsonb": ('{"a": 1}', "[]", '"text"', "null"),
    "ltree": ("a.b",),
    "macaddr": ("08:00:2b:01:02:03",),
    "money": ("1.25", "-1.25"),
    "numrange": ("[1.5,2.5)", "empty", "(,)"),
    "time": ("12:34:56.789012", "23:59:59.999999", "00:00:00"),
    "timestamp": _MOMENTS,
    "timestamptz": tuple(f"{each}+00" for each in _MOMENTS),
    "timetz": ("12:34:56.789012+00",),
    "tsquery": ("a",),
    "tsrange": ("[2026-03-01,2026-04-01)", "empty", "(,)"),
    "tstzrange": ("[2026-03-01,2026-04-01)", "empty", "(,)"),
    "tsvector": ("a b",),
    "xml": ("<a/>",),
    "box": ("(1,1),(0,0)",),
    "circle": ("<(0,0),1>",),
    "line": ("{1,2,3}",),
    "lseg": ("[(0,0),(1,1)]",),
    "path": ("((0,0),(1,1))",),
    "point": ("(1,2)",),
    "polygon": ("((0,0),(1,1),(1,0))",),
}

# By the name of the type: a value with the number plus one, a day, a multiple of ten.
_NUMBERED = {
    **dict.fromkeys((*_INTEGERS, "numeric", "float4", "float8", "money"), "{0}"),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), "2026-03-{1:02d}"),
    **dict.fromkeys(("int4range", "int8range", "numrange"), "[{2},{2}]"),
    **dict.fromkeys(("daterange", "tsrange", "tstzrange"), "[2{0:03d}-01-01,2{0:03d}-02-01)"),
    **dict.fromkeys(("json", "jsonb"), '{{"a": {0}}}'),
    **dict.fromkeys(("inet", "cidr"), "10.0.0.{0}"),
    "uuid": "00000000-0000-4000-8000-{0:012d}",
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What values a column may have.

    Attributes:
        base: The name of its type in pg_type, of a domain that of the type below.
        length: Of a text, of bits, the dimensions of a vector; None without a limit.
        digits: The precision and the scale of a decimal.
        labels: The members of an enumeration.
        element: What an array has.
        hints: Values in the text of rules that the column has to keep.
    """

    base: str
    length: int | None = None
    digits: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()
    element: Kind | None = None
    hints: tuple[str, ...] = field(default=())


def ordinary(kind: Kind) -> tuple[str, ...]:
    """Return an ordinary value, then the extremes."""
    if kind.labels:
        return kind.labels
    if kind.element is not None:
        return (*(f'{{"{_escaped(each)}"}}' for each in ordinary(kind.element)[:1]), "{}")
    if kind.base in _INTEGERS:
        most = 2 ** _INTEGERS[kind.base]
        return ("1", str(most - 1), str(-most))
    if kind.base == "numeric":
        return _decimals(kind.digits)
    return _FIXED.get(kind.base) or _sized(kind)


def distinct(kind: Kind, number: int) -> str:
    """Return a value that has another one for each number, where the type has so many."""
    if kind.labels:
        return kind.labels[number % len(kind.labels)]
    if kind.element is not None:
        return f'{{"{_escaped(distinct(kind.element, number))}"}}'
    if kind.base in {"bit", "varbit"}:
        return format(number, "b").rjust(kind.length or 8, "0")
    if kind.base in _NUMBERED:
        return _NUMBERED[kind.base].format(number + 1, number % 28 + 1, 10 * number)
    if fixed := _FIXED.get(kind.base):
        return fixed[number % len(fixed)]
    return _letters(number)[: kind.length]


def _decimals(digits: tuple[int, int] | None) -> tuple[str, ...]:
    if digits is None:
        return ("1.25", "12345678901234567890.123456789", "-12345678901234567890.123456789")
    precision, scale = digits
    whole = "9" * (precision - scale) or "0"
    most = f"{whole}.{'9' * scale}" if scale > 0 else whole
    # A last digit that a smaller scale would round away.
    return (f"1.{'0' * (scale - 1)}1" if 0 < scale < precision else "0", most, f"-{most}")


def _sized(kind: Kind) -> tuple[str, ...]:
    if kind.base == "uuid":
        return (distinct(kind, 1), distinct(kind, 2))
    if kind.base in {"bit", "varbit"}:
        return ("1" * (kind.length or 8), "0" * (kind.length or 8))
    if kind.base in {"vector", "halfvec"}:
        return (f"[{','.join('1' for _ in range(kind.length or 3))}]",)
    most = kind.length or _LONG
    return ("a", ("Ab9 " * most)[: most - 1] + "z", "")


def _letters(number: int) -> str:
    return f"{chr(ord('a') + number % 26)}{number // 26 or ''}"


def _escaped(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", value)
