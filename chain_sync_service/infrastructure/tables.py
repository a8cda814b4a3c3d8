"""The tables of the schema `chain_sync`. Hashes and addresses are stored in lower case."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chain_sync_service.domain.facts import FactKind
from chain_sync_service.domain.listener import Doubt, HolderSource, ListenerState
from libs.persistence.columns import BaseUnitsType
from libs.persistence.tables import define_shared_tables

metadata = MetaData()
shared_tables = define_shared_tables(metadata)


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


# The one chain that this database follows, and the last look at it.
chain = Table(
    "chain",
    metadata,
    Column("is_only_row", Boolean, primary_key=True, server_default=true()),
    Column("chain_id", BigInteger, nullable=True),
    Column("genesis_hash", Text, nullable=True),
    Column("head_block", BigInteger, nullable=True),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("look_time", DateTime(timezone=True), nullable=True),
    CheckConstraint("is_only_row", name="chain_has_one_row"),
    CheckConstraint("(chain_id IS NULL) = (genesis_hash IS NULL)", name="chain_identity_is_whole"),
)

listener = Table(
    "listener",
    metadata,
    Column("asset_id", Uuid, primary_key=True),
    Column("token", Text, nullable=False),
    Column("lifecycle_contract", Text, nullable=True),
    Column("payment_token", Text, nullable=True),
    Column("start_block", BigInteger, nullable=False),
    Column("holder_source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("is_stopped", Boolean, nullable=False),
    Column("position_block", BigInteger, nullable=True),
    Column("position_hash", Text, nullable=True),
    Column("position_time", DateTime(timezone=True), nullable=True),
    Column("announced_block", BigInteger, nullable=True),
    Column("is_range_open", Boolean, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("fact_sequence", BigInteger, nullable=False),
    Column("total", BaseUnitsType, nullable=False),
    Column("supply_gap", BaseUnitsType, nullable=False),
    Column("doubt", Text, nullable=False),
    Column("listing_next_page", Integer, nullable=False),
    Column("listing_listed_count", BigInteger, nullable=False),
    Column("listing_holder_count", BigInteger, nullable=False),
    Column("replay_until", BigInteger, nullable=True),
    Column("window_blocks", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("asset_version", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("due_time", DateTime(timezone=True), nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    CheckConstraint(_one_of("state", ListenerState), name="listener_state"),
    CheckConstraint(_one_of("holder_source", HolderSource), name="listener_holder_source"),
    CheckConstraint(_one_of("doubt", Doubt), name="listener_doubt"),
    CheckConstraint("start_block >= 0", name="listener_start"),
    CheckConstraint("position_block >= 0", name="listener_position"),
    CheckConstraint("(position_block IS NULL) = (position_hash IS NULL)", name="listener_position_is_whole"),
    CheckConstraint("last_sequence >= 0 AND fact_sequence >= 0", name="listener_sequences"),
    CheckConstraint("window_blocks >= 1", name="listener_window"),
    CheckConstraint("total >= 0", name="listener_total"),
)
Index("listener_due", listener.c.due_time, postgresql_where=text("NOT is_stopped"))

_ASSET = "listener.asset_id"

# Hashes of the newest windows' last blocks: where a reorg's common ancestor is looked for.
window_end = Table(
    "window_end",
    metadata,
    Column("asset_id", Uuid, ForeignKey(_ASSET), primary_key=True),
    Column("block_number", BigInteger, primary_key=True),
    Column("block_hash", Text, nullable=False),
)

# What holders have, as it was told last. A holder whose last token went keeps a row of zeros.
holding = Table(
    "holding",
    metadata,
    Column("asset_id", Uuid, ForeignKey(_ASSET), primary_key=True),
    # Byte order, whatever the database's collation: pages must not depend on it.
    Column("holder", Text(collation="C"), primary_key=True),
    Column("balance", BaseUnitsType, nullable=False),
    Column("frozen", BaseUnitsType, nullable=False),
    Column("locked", BaseUnitsType, nullable=False),
    Column("held", BaseUnitsType, nullable=False),
    Column("cleared", BaseUnitsType, nullable=False),
    # 0: as the logs tell; 1: the balance must be read; 2: the parts, too.
    Column("stale", SmallInteger, nullable=False),
    Column("must_tell", Boolean, nullable=False),
    Column("as_of_block", BigInteger, nullable=False),
    CheckConstraint(
        "balance >= 0 AND frozen >= 0 AND locked >= 0 AND held >= 0 AND cleared >= 0", name="holding_amounts"
    ),
    CheckConstraint("stale BETWEEN 0 AND 2", name="holding_stale"),
)
Index("holding_stale", holding.c.asset_id, holding.c.holder, postgresql_where=text("stale > 0"))

# Everything else that was seen. The key makes a replay harmless.
fact = Table(
    "fact",
    metadata,
    Column("asset_id", Uuid, ForeignKey(_ASSET), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("transaction_hash", Text, primary_key=True),
    Column("log_index", BigInteger, primary_key=True),
    # Order within a block, also of what a replay finds later.
    Column("place", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("contract", Text, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", Text, nullable=False),
    Column("block_time", DateTime(timezone=True), nullable=False),
    Column("topics", ARRAY(LargeBinary), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("problem", Text, nullable=False),
    # 0 where no event was published.
    Column("sequence", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    CheckConstraint(_one_of("kind", FactKind), name="fact_kind"),
    CheckConstraint("sequence >= 0", name="fact_sequence"),
)
Index("fact_block", fact.c.asset_id, fact.c.block_number, fact.c.place)

# Coupons that were announced without a rate, and when to ask for it, by the chain's clock.
pending_rate = Table(
    "pending_rate",
    metadata,
    Column("asset_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("transaction_hash", Text, primary_key=True),
    Column("log_index", BigInteger, primary_key=True),
    Column("ask_time", DateTime(timezone=True), nullable=False),
    Column("delay_seconds", Integer, nullable=False),
    # An announcement that is taken back takes the question with it.
    ForeignKeyConstraint(
        ["asset_id", "kind", "transaction_hash", "log_index"],
        ["fact.asset_id", "fact.kind", "fact.transaction_hash", "fact.log_index"],
        ondelete="CASCADE",
    ),
)
Index("pending_rate_ask", pending_rate.c.ask_time)
