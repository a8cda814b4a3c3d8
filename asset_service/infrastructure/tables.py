"""Tables of the schema `asset`. The migrations say the same in DDL; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from libs.persistence.columns import BaseUnits
from libs.persistence.tables import define_shared_tables

metadata = MetaData()
shared = define_shared_tables(metadata)

# Names of constraints that the repositories turn into named errors.
ONE_IMPORT_PER_TOKEN = "assets_one_import_per_token"
ONE_ASSET_PER_LIFECYCLE_CONTRACT = "assets_one_per_lifecycle_contract"

_ADDRESS = "'^0x[0-9a-f]{40}$'"

assets = Table(
    "assets",
    metadata,
    Column("asset_id", Uuid, primary_key=True),
    Column("list_position", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("token", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("isin", Text, nullable=False),
    Column("decimals", Integer, nullable=False),
    Column("security_type", Text, nullable=False),
    Column("payment_token", Text, nullable=False),
    Column("payment_token_symbol", Text, nullable=False),
    Column("payment_token_decimals", Integer, nullable=False),
    Column("lifecycle_contract", Text, nullable=True),
    Column("lifecycle_origin", Text, nullable=False),
    Column("lifecycle_version", BigInteger, nullable=False),
    Column("readiness", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("failure_reason", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    CheckConstraint("chain_id > 0", name="assets_chain_id"),
    CheckConstraint(f"token ~ {_ADDRESS} AND payment_token ~ {_ADDRESS}", name="assets_tokens"),
    CheckConstraint(f"lifecycle_contract ~ {_ADDRESS}", name="assets_lifecycle_contract"),
    CheckConstraint(
        "decimals BETWEEN 0 AND 255 AND payment_token_decimals BETWEEN 0 AND 255", name="assets_decimals"
    ),
    CheckConstraint("security_type IN ('EQUITY', 'BOND')", name="assets_security_type"),
    CheckConstraint("lifecycle_origin IN ('DEPLOYED', 'ATTACHED')", name="assets_lifecycle_origin"),
    CheckConstraint("state IN ('IMPORTING', 'ACTIVE', 'FAILED')", name="assets_state"),
    CheckConstraint("state <> 'ACTIVE' OR lifecycle_contract IS NOT NULL", name="assets_active_has_contract"),
    CheckConstraint("(state = 'FAILED') = (failure_reason <> '')", name="assets_failure_reason"),
    CheckConstraint("version > 0 AND lifecycle_version >= 0", name="assets_versions"),
)
# A failed import does not block another one.
Index(
    ONE_IMPORT_PER_TOKEN,
    assets.c.chain_id,
    assets.c.token,
    unique=True,
    postgresql_where=text("state <> 'FAILED'"),
)
Index(
    ONE_ASSET_PER_LIFECYCLE_CONTRACT,
    assets.c.chain_id,
    assets.c.lifecycle_contract,
    unique=True,
    postgresql_where=text("state <> 'FAILED'"),
)

registers = Table(
    "registers",
    metadata,
    Column("asset_id", Uuid, ForeignKey("assets.asset_id"), primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("block_number", BigInteger, nullable=True),
    Column("block_hash", Text, nullable=True),
    Column("holder_count", BigInteger, nullable=False),
    Column("total_balance", BaseUnits, nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    CheckConstraint("last_sequence >= 0", name="registers_last_sequence"),
    CheckConstraint(
        "(block_number IS NULL) = (block_hash IS NULL) AND block_number >= 0 AND block_hash ~ '^0x[0-9a-f]{64}$'",
        name="registers_position",
    ),
    CheckConstraint(
        "holder_count >= 0 AND total_balance >= 0 AND (holder_count = 0) = (total_balance = 0)",
        name="registers_totals",
    ),
)

# A holder whose balance becomes zero is deleted, so the table is as large as the live registers.
holders = Table(
    "holders",
    metadata,
    Column("asset_id", Uuid, ForeignKey("registers.asset_id"), primary_key=True),
    # Byte order, whatever the database's collation: pages must not depend on it.
    Column("address", Text(collation="C"), primary_key=True),
    Column("balance", BaseUnits, nullable=False),
    Column("changed_at_block", BigInteger, nullable=False),
    CheckConstraint(f"address ~ {_ADDRESS}", name="holders_address"),
    CheckConstraint("balance > 0", name="holders_balance"),
    CheckConstraint("changed_at_block >= 0", name="holders_changed_at_block"),
)
