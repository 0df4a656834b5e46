"""Who asks: sign-up, login, and the member that a token belongs to."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import select

from examples.tracker.models import Member, Role, Tenant, Token, User
from ormolu import ReadSessionDep, SessionDep

_bearer = HTTPBearer()

router = APIRouter(tags=["access"])


class Credentials(BaseModel):
    """What a login takes."""

    email: str = Field(max_length=120)
    password: SecretStr = Field(min_length=8, max_length=100)


class SignUp(Credentials):
    """What a sign-up takes."""

    tenant: str = Field(max_length=80)


class Pass(BaseModel):
    """What a login gives."""

    token: str


def _hash(password: SecretStr, salt: bytes) -> bytes:
    key = hashlib.scrypt(password.get_secret_value().encode(), salt=salt, n=2**12, r=8, p=1)
    return salt + key


def _matches(password: SecretStr, stored: bytes) -> bool:
    return secrets.compare_digest(_hash(password, stored[:16]), stored)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@router.post("/sign-up", status_code=201)
async def sign_up(new: SignUp, session: SessionDep) -> Pass:
    """Make a tenant and its owner; 409 if either is there already."""
    stored = await asyncio.to_thread(_hash, new.password, secrets.token_bytes(16))
    tenant, user = Tenant(name=new.tenant), User(email=new.email, password_hash=stored)
    session.add_all([tenant, user])
    await session.flush()
    session.add(Member(tenant_id=tenant.id, user_id=user.id, role=Role.OWNER))
    return await _give_token(session, tenant.id, user.id)


@router.post("/login")
async def login(given: Credentials, reads: ReadSessionDep, session: SessionDep) -> Pass:
    """Give a token of the first tenant that the user belongs to.

    Raises:
        HTTPException: 401, the email or the password is wrong.
    """
    query = select(User.password_hash, Member).join(Member, Member.user_id == User.id)
    query = query.where(User.email == given.email).order_by(Member.tenant_id).limit(1)
    # The hashing is slow: a session that only reads holds nothing of the database meanwhile.
    found = (await reads.execute(query)).one_or_none()
    stored, member = found or (b"", None)
    if not await asyncio.to_thread(_matches, given.password, stored or bytes(80)):
        raise HTTPException(401, "Email or password is wrong.")
    assert member is not None
    return await _give_token(session, member.tenant_id, member.user_id)


async def _give_token(session: SessionDep, tenant_id: int, user_id: int) -> Pass:
    token = secrets.token_urlsafe(24)
    session.add(Token(hash=_digest(token), tenant_id=tenant_id, user_id=user_id))
    return Pass(token=token)


def bearer(token: str) -> HTTPAuthorizationCredentials:
    """Return the credentials that a header with the token would give, for a WebSocket."""
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)


async def current_member(
    session: SessionDep, credentials: Annotated[HTTPAuthorizationCredentials, Depends(_bearer)]
) -> Member:
    """Return who asks.

    Raises:
        HTTPException: 401, this is no token that we gave.
    """
    query = select(Member).join(
        Token, (Token.tenant_id == Member.tenant_id) & (Token.user_id == Member.user_id)
    )
    member = await session.scalar(query.where(Token.hash == _digest(credentials.credentials)))
    if member is None:
        raise HTTPException(401, "This token is not known. POST /login gives one.")
    return member


MemberDep = Annotated[Member, Depends(current_member)]


async def owner(member: MemberDep) -> Member:
    """Return who asks, if it is an owner.

    Raises:
        HTTPException: 403, it is not.
    """
    if member.role is not Role.OWNER:
        raise HTTPException(403, "Only owners may do this.")
    return member


async def worker(member: MemberDep) -> Member:
    """Return who asks, unless it is a viewer.

    Raises:
        HTTPException: 403, viewers change nothing.
    """
    if member.role is Role.VIEWER:
        raise HTTPException(403, "Viewers change nothing.")
    return member


OwnerDep = Annotated[Member, Depends(owner)]
WorkerDep = Annotated[Member, Depends(worker)]


class NewMember(BaseModel):
    """What a member is made of."""

    email: str = Field(max_length=120)
    password: SecretStr = Field(min_length=8, max_length=100)
    role: Role = Role.WORKER


class MemberOut(BaseModel):
    """A member as it is shown."""

    user_id: int
    email: str
    role: Role


@router.get("/members")
async def members(member: MemberDep, session: SessionDep) -> list[MemberOut]:
    """List who belongs to the tenant."""
    query = select(Member.user_id, User.email, Member.role).join(Member.user)
    query = query.where(Member.tenant_id == member.tenant_id).order_by(User.email)
    return [MemberOut(user_id=i, email=e, role=r) for i, e, r in await session.execute(query)]


@router.post("/members", status_code=201)
async def add_member(new: NewMember, boss: OwnerDep, session: SessionDep) -> MemberOut:
    """Add somebody to the tenant; 409 if the email is taken."""
    tenant_id = boss.tenant_id
    # Who asks was read by this session, which would hold its connection while we hash.
    await session.commit()
    stored = await asyncio.to_thread(_hash, new.password, secrets.token_bytes(16))
    user = User(email=new.email, password_hash=stored)
    session.add(user)
    await session.flush()
    session.add(Member(tenant_id=tenant_id, user_id=user.id, role=new.role))
    return MemberOut(user_id=user.id, email=user.email, role=new.role)
