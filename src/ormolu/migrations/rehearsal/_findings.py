"""What a rehearsal has found, as values, as text, as JSON, and as GitHub's annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Any, Literal

from ormolu.migrations.rehearsal._dangers import Danger
from ormolu.migrations.rehearsal._effects import BLOCKS
from ormolu.migrations.rehearsal._pasted import Safer

__all__ = ["Finding", "Format", "Rehearsal", "shown"]

Format = Literal["text", "json", "github"]

# Columns of a statement's text in a line.
_WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one statement of a revision does.

    Attributes:
        revision: The revision.
        path: Its file.
        lines: The lines in it.
        sql: The statement.
        locks: The strongest mode that it takes, by relation.
        cost: For how long: constant, or as long as a scan or a rewrite of `tables` takes.
        tables: Which tables it reads or writes anew.
        dangers: What is dangerous.
        safer: What to write instead.
        accepted: Why that is accepted, in a comment; empty without a reason, None without one.
    """

    revision: str
    path: str
    lines: tuple[int, int]
    sql: str
    locks: Mapping[str, str] = field(default_factory=dict)
    cost: str = "constant"
    tables: tuple[str, ...] = ()
    dangers: tuple[Danger, ...] = ()
    safer: tuple[Safer, ...] = ()
    accepted: str | None = None

    @property
    def is_safe(self) -> bool:
        """Tell whether nothing is dangerous, or all is accepted for a reason."""
        return not self.dangers or bool(self.accepted)

    @property
    def place(self) -> str:
        """Return the file as one would write it from here, and the line."""
        return f"{_here(self.path)}:{self.lines[0]}"


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What running the pending revisions has shown.

    Attributes:
        revisions: The revisions that were run.
        findings: Their statements.
        problems: What is wrong beside them: several heads, models that need a revision.
        unfilled: Tables for which no row could be made, so that little is known of them.
    """

    revisions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    problems: tuple[str, ...] = ()
    unfilled: tuple[str, ...] = ()

    @property
    def is_safe(self) -> bool:
        """Tell whether there is nothing to be mended."""
        return not self.problems and all(each.is_safe for each in self.findings)


def shown(rehearsal: Rehearsal, form: Format) -> str:
    """Return what was found, for people or for a machine; for people without the problems."""
    if form == "json":
        return json.dumps(_as_json(rehearsal), indent=2, ensure_ascii=False) + "\n"
    lines = _as_github(rehearsal) if form == "github" else _as_text(rehearsal)
    return "".join(f"{line}\n" for line in lines)


def _as_json(rehearsal: Rehearsal) -> dict[str, Any]:
    return {
        "is_safe": rehearsal.is_safe,
        "revisions": list(rehearsal.revisions),
        "problems": list(rehearsal.problems),
        "unfilled": list(rehearsal.unfilled),
        "statements": [
            {
                "revision": each.revision,
                "file": _here(each.path),
                "line": each.lines[0],
                "sql": each.sql,
                "locks": [
                    {"relation": name, "mode": mode, "blocks": BLOCKS.get(mode)}
                    for name, mode in each.locks.items()
                ],
                "cost": each.cost,
                "tables": list(each.tables),
                "dangers": [{"kind": one.kind, "words": one.words} for one in each.dangers],
                "safer": [{"words": one.words, "code": one.code} for one in each.safer],
                "accepted": each.accepted,
                "is_safe": each.is_safe,
            }
            for each in rehearsal.findings
        ],
    }


def _as_text(rehearsal: Rehearsal) -> Iterator[str]:
    for each in rehearsal.findings:
        yield f"{each.place}: {_short(each.sql)}"
        for name, mode in each.locks.items():
            yield f"  locks     {name}: {mode}{_waiting(mode)}"
        yield f"  lasts     {_lasts(each)}"
        yield from _dangers(each)
    yield from _notes(rehearsal)
    if not rehearsal.revisions and rehearsal.is_safe:
        yield "The database, the revisions and the models match."


def _dangers(finding: Finding) -> Iterator[str]:
    for danger in finding.dangers:
        yield f"  {danger.kind:9} {danger.words}"
    if finding.dangers and finding.accepted:
        yield f"  accepted  {finding.accepted}"
        return
    if finding.dangers and finding.accepted is not None:
        yield "  accepted  without a reason: write # ormolu: accepted, because ..."
    for safer in finding.safer:
        yield f"  safer     {safer.words}"
        if safer.code:
            yield indent(safer.code, " " * 14)


def _as_github(rehearsal: Rehearsal) -> Iterator[str]:
    for each in rehearsal.findings:
        words = "\n".join(_dangers(each))
        if not each.dangers:
            continue
        level = "notice" if each.is_safe else "error"
        kinds = ", ".join(danger.kind for danger in each.dangers)
        yield (
            f"::{level} file={_property(_here(each.path))},line={each.lines[0]},"
            f"endLine={each.lines[1]},title=ormolu db check%3A {_property(kinds)}::"
            f"{_data(f'{_short(each.sql)}{chr(10)}{words}')}"
        )
    yield from (f"::warning::{_data(each)}" for each in _notes(rehearsal))
    yield from (f"::error::{_data(each)}" for each in rehearsal.problems)


def _notes(rehearsal: Rehearsal) -> Iterator[str]:
    if rehearsal.unfilled:
        yield (
            f"No row could be made that keeps the rules of {', '.join(rehearsal.unfilled)}: what "
            "fails on rows there, and what is lost, is not known."
        )
    unsafe = sum(not each.is_safe for each in rehearsal.findings)
    if rehearsal.findings and unsafe:
        yield (
            f"{unsafe} of {len(rehearsal.findings)} statements need a safer form, or in their line "
            "the comment: # ormolu: accepted, because ..."
        )
    elif rehearsal.revisions:
        yield f"The pending revisions are safe: {', '.join(rehearsal.revisions)}."


def _waiting(mode: str) -> str:
    return f", {BLOCKS[mode]} wait" if mode in BLOCKS else ""


def _lasts(finding: Finding) -> str:
    if finding.cost == "constant":
        return "no longer with more rows"
    return f"as long as a {finding.cost} of {', '.join(finding.tables)} takes"


def _short(sql: str) -> str:
    return sql if len(sql) <= _WIDTH else f"{sql[: _WIDTH - 4]} ..."


def _here(path: str) -> str:
    found = Path(path).resolve()
    return str(found.relative_to(Path.cwd()) if found.is_relative_to(Path.cwd()) else found)


def _data(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")
