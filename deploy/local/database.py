"""Prepares one database for the four services: each gets a role and a schema, and nobody else gets access.

A service's role owns its schema and has no right on another's; PostgreSQL refuses, not a convention.
Everything here may be run again at any time, by several processes at once.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from deploy.local.errors import StackError
from deploy.local.services import SERVICES

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 60.0
SCRAM_ITERATIONS = 4096
SCHEMAS: tuple[str, ...] = tuple(service.schema for service in SERVICES)
# Any number, the same for every process that creates roles in this cluster.
_BOOTSTRAP_LOCK = 0x4D50_424F_4F54

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """A database and its roles. ``passwords`` has one entry per schema; a role is ``<prefix>_<schema>``."""

    passwords: Mapping[str, str] = field(repr=False)
    name: str = "masspayout"
    role_prefix: str = "masspayout"

    def role(self, schema: str) -> str:
        """Return the name of a schema's role."""
        return f"{self.role_prefix}_{schema}"

    def url(self, admin_url: str, schema: str) -> str:
        """Return the URL with which this schema's service connects (contains its password)."""
        return database_url(admin_url, self.name, self.role(schema), self.passwords[schema])

    def urls(self, admin_url: str) -> dict[str, str]:
        """``url`` for every schema."""
        return {schema: self.url(admin_url, schema) for schema in self.passwords}


class DatabaseError(StackError):
    """The database cannot be prepared; the message names what to change and holds no secret."""


def new_passwords(schemas: Sequence[str] = SCHEMAS) -> dict[str, str]:
    """Return a new random password per schema."""
    return {schema: secrets.token_urlsafe(24) for schema in schemas}


def database_url(admin_url: str, name: str, role: str, password: str) -> str:
    """Return ``admin_url`` with another database, role and password. Host, port and options stay."""
    parts = urlsplit(admin_url)
    place = parts.netloc.rpartition("@")[2]
    credentials = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return urlunsplit(("postgresql", f"{credentials}@{place}", f"/{quote(name, safe='')}", parts.query, ""))


async def ensure_database(admin_url: str, spec: DatabaseSpec, *, template: str | None = None) -> None:
    """Create what is missing of the database, its roles and schemas, and set every right as required.

    ``admin_url`` belongs to a superuser, or to a role with CREATEDB and CREATEROLE. With ``template`` a new
    database starts as a copy of that one, to which nobody may be connected meanwhile.
    Raises DatabaseError when a schema belongs to somebody else or the server refuses.
    """
    async with _connected(admin_url) as admin:
        await admin.execute("SELECT pg_advisory_lock($1)", _BOOTSTRAP_LOCK)
        try:
            await _ensure_roles(admin, spec)
            if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", spec.name):
                # template0: what somebody added to template1 is not ours.
                await admin.execute(
                    f"CREATE DATABASE {_name(spec.name)} TEMPLATE {_name(template or 'template0')} ENCODING 'UTF8'"
                )
            await admin.execute(f"REVOKE ALL ON DATABASE {_name(spec.name)} FROM PUBLIC")
            for schema in spec.passwords:
                await admin.execute(
                    f"GRANT CONNECT, TEMPORARY ON DATABASE {_name(spec.name)} TO {_name(spec.role(schema))}"
                )
            async with _connected(_on_database(admin_url, spec.name)) as connection:
                await _ensure_schemas(connection, spec)
        finally:
            await admin.execute("SELECT pg_advisory_unlock($1)", _BOOTSTRAP_LOCK)


async def drop_database(admin_url: str, name: str) -> None:
    """Drop a database and disconnect everybody from it. No error when there is none. Roles stay."""
    async with _connected(admin_url) as admin:
        await admin.execute(f"DROP DATABASE IF EXISTS {_name(name)} WITH (FORCE)")


async def drop_roles(admin_url: str, spec: DatabaseSpec) -> None:
    """Drop a spec's roles; they must own nothing any more. No error when there are none."""
    async with _connected(admin_url) as admin:
        for schema in spec.passwords:
            await admin.execute(f"DROP ROLE IF EXISTS {_name(spec.role(schema))}")


async def close_to_public(admin_url: str, databases: Sequence[str]) -> None:
    """Revoke every right of PUBLIC on these databases, on a server that is ours alone."""
    async with _connected(admin_url) as admin:
        for name in databases:
            await admin.execute(f"REVOKE ALL ON DATABASE {_name(name)} FROM PUBLIC")


async def server_version(admin_url: str) -> str:
    """Return the server's version ("18.4"). Raises OSError, TimeoutError or asyncpg.PostgresError."""
    async with _connected(admin_url) as admin:
        return str(await admin.fetchval("SHOW server_version"))


def run_async(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end, also where an event loop is running already (as in asyncio tests)."""
    outcome: list[_Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="run-async", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


async def _ensure_roles(admin: asyncpg.Connection[Any], spec: DatabaseSpec) -> None:
    superuser = await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    for schema, password in spec.passwords.items():
        role = _name(spec.role(schema))
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", spec.role(schema)):
            await admin.execute(f"CREATE ROLE {role}")
        # Only a superuser may even mention SUPERUSER, REPLICATION and BYPASSRLS; they are off by default.
        restricted = "NOSUPERUSER NOREPLICATION NOBYPASSRLS " if superuser else ""
        await admin.execute(
            f"ALTER ROLE {role} LOGIN {restricted}NOCREATEDB NOCREATEROLE NOINHERIT "
            f"PASSWORD '{scram_verifier(password)}'"
        )
        await admin.execute(f"ALTER ROLE {role} SET search_path = {_name(schema)}")
        for granted in await admin.fetch(
            "SELECT group_role.rolname FROM pg_auth_members AS membership "
            "JOIN pg_roles AS member_role ON member_role.oid = membership.member "
            "JOIN pg_roles AS group_role ON group_role.oid = membership.roleid "
            "WHERE member_role.rolname = $1",
            spec.role(schema),
        ):
            await admin.execute(f"REVOKE {_name(granted[0])} FROM {role}")
        if not superuser:
            # CREATE SCHEMA ... AUTHORIZATION needs to be able to become the owner.
            await admin.execute(f"GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT TRUE")


async def _ensure_schemas(connection: asyncpg.Connection[Any], spec: DatabaseSpec) -> None:
    await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for schema in spec.passwords:
        role = spec.role(schema)
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_name(schema)} AUTHORIZATION {_name(role)}")
        owner = await connection.fetchval(
            "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1", schema
        )
        if owner != role:
            raise DatabaseError(
                f"schema {schema} of database {spec.name} belongs to role {owner}, not to {role}: "
                "give another database name, or drop it"
            )
        others = ", ".join(_name(spec.role(other)) for other in spec.passwords if other != schema)
        await connection.execute(
            f"REVOKE ALL ON SCHEMA {_name(schema)} FROM PUBLIC" + (f", {others}" if others else "")
        )


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL stores for a password (SCRAM-SHA-256), so that no statement holds the password.

    The password must be ASCII: others would need SASLprep.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode("ascii") for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS)
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


def _on_database(admin_url: str, name: str) -> str:
    parts = urlsplit(admin_url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{quote(name, safe='')}", parts.query, ""))


def _name(identifier: str) -> str:
    if "\0" in identifier or len(identifier.encode()) > 63:
        raise DatabaseError(f"{identifier!r} is no name for a role, schema or database (at most 63 bytes)")
    return '"' + identifier.replace('"', '""') + '"'
