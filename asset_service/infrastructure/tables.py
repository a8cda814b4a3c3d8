"""Tables of the schema `asset`. The migrations say the same in DDL; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
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

from libs.persistence.columns import BaseUnitsType
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
    # Empty where it is not known.
    Column("token_hedera_id", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("isin", Text, nullable=False),
    Column("decimals", Integer, nullable=False),
    Column("security_type", Text, nullable=False),
    # NULL: imported before it was kept, and not described since.
    Column("total_supply", BaseUnitsType, nullable=True),
    Column("token_paused", Boolean, nullable=False),
    Column("payment_token", Text, nullable=False),
    Column("payment_token_hedera_id", Text, nullable=False),
    Column("payment_token_symbol", Text, nullable=False),
    Column("payment_token_decimals", Integer, nullable=False),
    Column("lifecycle_contract", Text, nullable=True),
    Column("lifecycle_origin", Text, nullable=False),
    Column("lifecycle_version", BigInteger, nullable=False),
    Column("readiness", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("failure_reason", Text, nullable=False),
    Column("sync_state", Text, nullable=False),
    Column("sync_time", DateTime(timezone=True), nullable=True),
    Column("pause_state", Text, nullable=False),
    Column("pause_request", BigInteger, nullable=True),
    Column("pause_problem", Text, nullable=False),
    Column("pause_seen_sequence", BigInteger, nullable=False),
    Column("reported_paused", Boolean, nullable=False),
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
    CheckConstraint("total_supply >= 0", name="assets_total_supply"),
    CheckConstraint("sync_state IN ('ENABLED', 'DISABLED')", name="assets_sync_state"),
    CheckConstraint("pause_state IN ('UNPAUSED', 'PAUSING', 'PAUSED', 'UNPAUSING')", name="assets_pause_state"),
    CheckConstraint(
        "(pause_state IN ('PAUSING', 'UNPAUSING')) = (pause_request IS NOT NULL) AND pause_request <= version "
        "AND pause_seen_sequence >= 0",
        name="assets_pause_request",
    ),
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
    Column("total_balance", BaseUnitsType, nullable=False),
    Column("total_restricted", BaseUnitsType, nullable=False),
    Column("is_complete", Boolean, nullable=False),
    Column("check_time", DateTime(timezone=True), nullable=True),
    Column("update_time", DateTime(timezone=True), nullable=False),
    CheckConstraint("last_sequence >= 0", name="registers_last_sequence"),
    CheckConstraint(
        "(block_number IS NULL) = (block_hash IS NULL) AND block_number >= 0 AND block_hash ~ '^0x[0-9a-f]{64}$'",
        name="registers_position",
    ),
    CheckConstraint(
        "holder_count >= 0 AND total_balance >= 0 AND total_restricted >= 0"
        " AND (holder_count = 0) = (total_balance + total_restricted = 0)",
        name="registers_totals",
    ),
    CheckConstraint("NOT is_complete OR block_number IS NOT NULL", name="registers_complete"),
)

# A holder who has nothing left is deleted, so the table is as large as the live registers.
holders = Table(
    "holders",
    metadata,
    Column("asset_id", Uuid, ForeignKey("registers.asset_id"), primary_key=True),
    # Byte order, whatever the database's collation: pages must not depend on it.
    Column("address", Text(collation="C"), primary_key=True),
    Column("balance", BaseUnitsType, nullable=False),
    Column("frozen", BaseUnitsType, nullable=False),
    Column("locked", BaseUnitsType, nullable=False),
    Column("held", BaseUnitsType, nullable=False),
    Column("cleared", BaseUnitsType, nullable=False),
    Column(
        "total",
        BaseUnitsType,
        Computed("balance + frozen + locked + held + cleared", persisted=True),
        nullable=False,
    ),
    Column("changed_at_block", BigInteger, nullable=False),
    CheckConstraint(f"address ~ {_ADDRESS}", name="holders_address"),
    CheckConstraint(
        "balance >= 0 AND frozen >= 0 AND locked >= 0 AND held >= 0 AND cleared >= 0 AND total > 0",
        name="holders_holding",
    ),
    CheckConstraint("changed_at_block >= 0", name="holders_changed_at_block"),
)
Index("holders_by_balance", holders.c.asset_id, holders.c.balance.desc(), holders.c.address)
Index("holders_by_total", holders.c.asset_id, holders.c.total.desc(), holders.c.address)

# Never shortened: a holder's changes add up to the balance.
holder_changes = Table(
    "holder_changes",
    metadata,
    Column("asset_id", Uuid, ForeignKey("registers.asset_id"), primary_key=True),
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("address", Text(collation="C"), nullable=False),
    Column("delta", BaseUnitsType, nullable=False),
    Column("restricted_delta", BaseUnitsType, nullable=False),
    Column("balance_after", BaseUnitsType, nullable=False),
    Column("restricted_after", BaseUnitsType, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    CheckConstraint("balance_after >= 0 AND restricted_after >= 0", name="holder_changes_after"),
    CheckConstraint("delta <> 0 OR restricted_delta <> 0", name="holder_changes_delta"),
)
Index("holder_changes_of_holder", holder_changes.c.asset_id, holder_changes.c.address, holder_changes.c.change_id)

# `refresh_round` counts the checks that found the difference; each has the holdings read again once.
register_discrepancies = Table(
    "register_discrepancies",
    metadata,
    Column("discrepancy_id", BigInteger, Identity(always=True), primary_key=True),
    Column("asset_id", Uuid, ForeignKey("registers.asset_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("register_value", Text, nullable=False),
    Column("chain_value", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("refresh_round", Integer, nullable=False),
    Column("refresh_requested_time", DateTime(timezone=True), nullable=True),
    Column("resolve_time", DateTime(timezone=True), nullable=True),
    CheckConstraint("kind IN ('HOLDING_DIFFERS', 'TOTAL_DIFFERS')", name="register_discrepancies_kind"),
    CheckConstraint("(kind = 'TOTAL_DIFFERS') = (holder = '')", name="register_discrepancies_holder"),
    CheckConstraint("refresh_round > 0", name="register_discrepancies_refresh_round"),
)
Index(
    "register_discrepancies_of_asset",
    register_discrepancies.c.asset_id,
    register_discrepancies.c.discrepancy_id,
)
Index(
    "register_discrepancies_one_open",
    register_discrepancies.c.asset_id,
    register_discrepancies.c.kind,
    register_discrepancies.c.holder,
    unique=True,
    postgresql_where=text("resolve_time IS NULL"),
)
Index(
    "register_discrepancies_to_refresh",
    register_discrepancies.c.asset_id,
    postgresql_where=text("resolve_time IS NULL AND refresh_requested_time IS NULL"),
)
