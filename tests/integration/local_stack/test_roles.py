"""A service's role can neither log in as another, nor become it, nor touch its schema: PostgreSQL refuses.

Each check is shown to notice when it does not.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from deploy.local.database import (
    SCHEMAS,
    DatabaseError,
    DatabaseSpec,
    database_url,
    drop_database,
    drop_roles,
    ensure_database,
    new_passwords,
)
from deploy.local.stack import Stack

# A bound: it costs time only when something fails.
_CONNECT_SECONDS = 60
PAIRS = [(mine, theirs) for mine in SCHEMAS for theirs in SCHEMAS if mine != theirs]


@dataclass(frozen=True)
class Bootstrapped:
    """A database of this test's own."""

    admin_url: str
    spec: DatabaseSpec

    async def as_role(self, schema: str) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(self.spec.url(self.admin_url, schema), timeout=_CONNECT_SECONDS)

    async def as_admin(self) -> asyncpg.Connection[Any]:
        server = self.admin_url.rpartition("/")[0]
        return await asyncpg.connect(f"{server}/{self.spec.name}", timeout=_CONNECT_SECONDS)

    async def administer(self, *statements: str) -> None:
        connection = await self.as_admin()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture
async def database(database_server: Stack) -> AsyncIterator[Bootstrapped]:
    name = f"roles_{secrets.token_hex(6)}"
    admin_url = str(database_server.endpoints.admin_database_url)
    spec = DatabaseSpec(new_passwords(), name=name, role_prefix=name)
    await ensure_database(admin_url, spec)
    bootstrapped = Bootstrapped(admin_url, spec)
    for schema in SCHEMAS:
        connection = await bootstrapped.as_role(schema)
        await connection.execute("CREATE TABLE ledger (amount bigint NOT NULL)")
        await connection.execute("INSERT INTO ledger VALUES (1)")
        await connection.close()
    try:
        yield bootstrapped
    finally:
        await drop_database(admin_url, name)
        await drop_roles(admin_url, spec)


# -------------------------------------------------------------------------------------------------- the checks


async def check_no_login_as_another(database: Bootstrapped, mine: str, theirs: str) -> None:
    """Neither with our own password nor without any."""
    for password in (database.spec.passwords[mine], ""):
        url = database_url(database.admin_url, database.spec.name, database.spec.role(theirs), password)
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
            await (await asyncpg.connect(url, timeout=_CONNECT_SECONDS)).close()


async def check_no_becoming_another(database: Bootstrapped, mine: str, theirs: str) -> None:
    connection = await database.as_role(mine)
    try:
        for statement in ("SET ROLE {}", "SET SESSION AUTHORIZATION {}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement.format(database.spec.role(theirs)))
    finally:
        await connection.close()


async def check_no_touching_of_anothers_schema(database: Bootstrapped, mine: str, theirs: str) -> None:
    connection = await database.as_role(mine)
    try:
        for statement in (
            "SELECT * FROM {}.ledger",
            "INSERT INTO {}.ledger VALUES (2)",
            "UPDATE {}.ledger SET amount = 2",
            "DELETE FROM {}.ledger",
            "CREATE TABLE {}.mine (n int)",
            "DROP TABLE {}.ledger",
            "ALTER SCHEMA {} RENAME TO taken",
            "GRANT ALL ON SCHEMA {} TO PUBLIC",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement.format(theirs))
    finally:
        await connection.close()


async def check_nothing_outside_its_schema(database: Bootstrapped, mine: str, theirs: str) -> None:
    """Not in schema public, not in another database of the server, no schema, database or role of its own."""
    connection = await database.as_role(mine)
    try:
        for statement in (
            "CREATE TABLE public.mine (n int)",
            "CREATE SCHEMA mine",
            f"CREATE DATABASE {database.spec.name}_mine",
            "CREATE ROLE mine",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
    for other in ("postgres", "template1"):
        url = database_url(database.admin_url, other, database.spec.role(mine), database.spec.passwords[mine])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await (await asyncpg.connect(url, timeout=_CONNECT_SECONDS)).close()


Check = Callable[[Bootstrapped, str, str], Awaitable[None]]
CHECKS: list[Check] = [
    check_no_login_as_another,
    check_no_becoming_another,
    check_no_touching_of_anothers_schema,
    check_nothing_outside_its_schema,
]


@pytest.mark.parametrize("check", CHECKS)
async def test_a_role_is_kept_to_its_own(database: Bootstrapped, check: Check) -> None:
    for mine, theirs in PAIRS:
        await check(database, mine, theirs)


# -------------------------------------------------------------------------- that the checks notice what is wrong


async def same_password(database: Bootstrapped) -> None:
    password = database.spec.passwords["asset"]
    await database.administer(f"ALTER ROLE {database.spec.role('payout')} PASSWORD '{password}'")


async def membership(database: Bootstrapped) -> None:
    await database.administer(f"GRANT {database.spec.role('payout')} TO {database.spec.role('asset')}")


async def usage_and_select(database: Bootstrapped) -> None:
    role = database.spec.role("asset")
    await database.administer(
        f"GRANT USAGE ON SCHEMA payout TO {role}", f"GRANT SELECT ON payout.ledger TO {role}"
    )


async def public_schema_open(database: Bootstrapped) -> None:
    await database.administer("GRANT CREATE ON SCHEMA public TO PUBLIC")


@pytest.mark.parametrize(
    ("breakage", "check"),
    [
        (same_password, check_no_login_as_another),
        (membership, check_no_becoming_another),
        (usage_and_select, check_no_touching_of_anothers_schema),
        (public_schema_open, check_nothing_outside_its_schema),
    ],
)
async def test_a_check_fails_when_its_rule_is_broken_and_bootstrap_mends_it(
    database: Bootstrapped, breakage: Callable[[Bootstrapped], Awaitable[None]], check: Check
) -> None:
    await check(database, "asset", "payout")
    await breakage(database)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await check(database, "asset", "payout")
    await ensure_database(database.admin_url, database.spec)
    await check(database, "asset", "payout")


# --------------------------------------------------------------------------------------------------- bootstrap


async def test_bootstrap_is_repeatable_also_by_several_at_once(database: Bootstrapped) -> None:
    await asyncio.gather(*(ensure_database(database.admin_url, database.spec) for _ in range(4)))
    for schema in SCHEMAS:
        connection = await database.as_role(schema)
        assert await connection.fetchval("SHOW search_path") == schema
        assert await connection.fetchval("SELECT amount FROM ledger") == 1
        await connection.close()


async def test_a_database_from_a_template_has_the_same_rights(database: Bootstrapped) -> None:
    copy = Bootstrapped(
        database.admin_url,
        DatabaseSpec(database.spec.passwords, f"{database.spec.name}_copy", database.spec.role_prefix),
    )
    await ensure_database(copy.admin_url, copy.spec, template=database.spec.name)
    try:
        connection = await copy.as_role("payout")
        assert await connection.fetchval("SELECT amount FROM ledger") == 1
        await connection.close()
        for check in CHECKS:
            await check(copy, "asset", "payout")
    finally:
        await drop_database(copy.admin_url, copy.spec.name)


async def test_an_administrator_who_is_no_superuser_is_enough(database_server: Stack) -> None:
    """As on a managed PostgreSQL: CREATEDB and CREATEROLE."""
    admin_url = str(database_server.endpoints.admin_database_url)
    name = f"managed_{secrets.token_hex(6)}"
    password = secrets.token_hex(12)
    spec = DatabaseSpec(new_passwords(), name=name, role_prefix=name)
    root = await asyncpg.connect(admin_url)
    await root.execute(f"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'")
    await root.execute(f"GRANT CONNECT ON DATABASE postgres TO {name}")
    managed = Bootstrapped(database_url(admin_url, "postgres", name, password), spec)
    try:
        for _ in range(2):
            await ensure_database(managed.admin_url, spec)
        for schema in SCHEMAS:
            connection = await managed.as_role(schema)
            await connection.execute("CREATE TABLE ledger (amount bigint)")
            await connection.close()
        for check in CHECKS:
            await check(managed, "asset", "payout")
    finally:
        await drop_database(admin_url, name)
        await drop_roles(admin_url, spec)
        await root.execute(f"DROP OWNED BY {name}")
        await root.execute(f"DROP ROLE {name}")
        await root.close()


async def test_a_schema_of_somebody_else_is_refused(database: Bootstrapped) -> None:
    await database.administer("ALTER SCHEMA payout OWNER TO postgres")
    with pytest.raises(DatabaseError, match=r"schema payout of database .* belongs to role postgres"):
        await ensure_database(database.admin_url, database.spec)


async def test_no_statement_in_the_log_holds_a_password(database_server: Stack, database: Bootstrapped) -> None:
    await database.administer("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
    try:
        await _logs_all_statements(database)
        await ensure_database(database.admin_url, database.spec)
    finally:
        await database.administer("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    assert database_server.postgres is not None
    log = database_server.postgres.log_path.read_text(encoding="utf-8")
    assert "ALTER ROLE" in log
    assert not any(password in log for password in database.spec.passwords.values())


async def _logs_all_statements(database: Bootstrapped) -> None:
    """Waits until new connections do: the server reads its settings again when it gets to it."""
    async with asyncio.timeout(_CONNECT_SECONDS):
        while True:
            connection = await database.as_admin()
            setting = await connection.fetchval("SHOW log_statement")
            await connection.close()
            if setting == "all":
                return
            await asyncio.sleep(0.02)


async def test_a_wrong_password_is_refused(database: Bootstrapped) -> None:
    url = database_url(database.admin_url, database.spec.name, database.spec.role("asset"), "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
