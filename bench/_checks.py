"""Before any timing: every program answers every row alike, and stores what it says it stores."""

from __future__ import annotations

from bench._contenders import Contender
from bench._exchanges import READS, WRITES, Exchange
from bench._rows import ROWS

__all__ = ["check", "check_lengths"]


def check(contender: Contender) -> None:
    """Compare the answers of a program with what is stored.

    Raises:
        RuntimeError: One differs.
    """
    program = contender.program
    if program.is_constant:
        return
    writes = () if contender.database is None else WRITES[program.group]
    for exchange in READS[program.group] + writes:
        if program.keeps_tenants_apart or not exchange.is_strangers:
            _expect(contender, exchange)


def _expect(contender: Contender, exchange: Exchange) -> None:
    request = contender.program.request(exchange.row).fill(exchange.values)
    status, found, _ = contender.server.ask(request)
    wanted = {exchange.status}
    # The guide's program answers a create with 200.
    if ROWS[exchange.row].stores and exchange.status < 400:
        wanted = {200, 201}
    if status not in wanted or _rows(contender, exchange, found) != _answer(contender, exchange):
        message = (
            f"{contender.label}: {request.method} {request.path} gave {status} {found!r}, "
            f"not {exchange.status} {exchange.answer!r}"
        )
        raise RuntimeError(message)


def _rows(contender: Contender, exchange: Exchange, found: object) -> object:
    if exchange.status >= 400:
        return None
    key = contender.program.list_key
    if isinstance(exchange.answer, list) and isinstance(found, dict) and key:
        return found.get(key)
    return found


def _answer(contender: Contender, exchange: Exchange) -> object:
    is_patch = ROWS[exchange.row].method == "PATCH"
    return None if is_patch and not contender.program.answers_patch else exchange.answer


def check_lengths(contenders: list[Contender]) -> None:
    """Compare the constant answers with the guide's, in bytes.

    Raises:
        RuntimeError: One has not the same length.
    """
    constant = next((one for one in contenders if one.program.is_constant), None)
    guide = next((one for one in contenders if one.name == "guide"), None)
    if constant is None or guide is None:
        return
    for row in ("point", "list", "include"):
        lengths = [
            one.server.ask(one.program.request(row).fill({"id": 5000, "limit": 100}))[2]
            for one in (constant, guide)
        ]
        if lengths[0] != lengths[1]:
            message = f"{row}: the constant answer has {lengths[0]} bytes, the guide's {lengths[1]}"
            raise RuntimeError(message)
