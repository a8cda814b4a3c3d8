"""The tables that every service keeps in its own schema: outbox, inbox, request log."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)


@dataclass(frozen=True)
class SharedTables:
    """The shared tables of one service."""

    outbox: Table
    inbox: Table
    request_log: Table


def define_shared_tables(metadata: MetaData) -> SharedTables:
    """Adds the shared tables to a service's metadata."""
    outbox = Table(
        "outbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        # Taken while the aggregate's row is locked, so within one aggregate it is the order of commits.
        Column("position", BigInteger, Identity(always=True), nullable=False, unique=True),
        Column("aggregate_id", Uuid, nullable=False),
        Column("aggregate_version", BigInteger, nullable=False),
        Column("context", Text, nullable=False),
        Column("event_name", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("create_time", DateTime(timezone=True), nullable=False),
        Column("publish_time", DateTime(timezone=True), nullable=True),
        UniqueConstraint("aggregate_id", "event_name", "aggregate_version"),
    )
    Index(
        "outbox_unpublished",
        outbox.c.position,
        postgresql_where=text("publish_time IS NULL"),
    )
    inbox = Table(
        "inbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("subject", Text, nullable=False),
        Column("process_time", DateTime(timezone=True), nullable=False),
    )
    request_log = Table(
        "request_log",
        metadata,
        Column("request_id", Uuid, primary_key=True),
        Column("method", Text, nullable=False),
        Column("request_hash", LargeBinary, nullable=False),
        Column("resource_id", Uuid, nullable=False),
        Column("caller", Text, nullable=False),
        Column("create_time", DateTime(timezone=True), nullable=False),
    )
    return SharedTables(outbox=outbox, inbox=inbox, request_log=request_log)
