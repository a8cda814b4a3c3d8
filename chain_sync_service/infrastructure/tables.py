"""Tables of schema chain_sync. Hashes and addresses are lower-case text, as the node tells them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from chain_sync_service.domain.followed_token import FollowState
from libs.persistence.columns import BaseUnits
from libs.persistence.tables import define_shared_tables

metadata = MetaData()
shared_tables = define_shared_tables(metadata)

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

followed_token = Table(
    "followed_token",
    metadata,
    Column("asset_id", Uuid, primary_key=True),
    Column("token", Text, nullable=False),
    Column("start_block", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("position_block", BigInteger, nullable=True),
    Column("position_hash", Text, nullable=True),
    Column("announced_block", BigInteger, nullable=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("window_blocks", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("due_time", DateTime(timezone=True), nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    CheckConstraint(
        f"state IN ({', '.join(repr(state.value) for state in FollowState)})", name="followed_token_state"
    ),
    CheckConstraint("start_block >= 0", name="followed_token_start"),
    CheckConstraint("position_block >= 0", name="followed_token_position"),
    CheckConstraint("(position_block IS NULL) = (position_hash IS NULL)", name="followed_token_position_is_whole"),
    CheckConstraint("announced_block <= position_block", name="followed_token_announced"),
    CheckConstraint("last_sequence >= 0", name="followed_token_sequence"),
    CheckConstraint("window_blocks >= 1", name="followed_token_window"),
)
Index("followed_token_due", followed_token.c.due_time)

_ASSET = "followed_token.asset_id"

# Hashes of the newest windows' last blocks: where a reorg's common ancestor is looked for.
window_end = Table(
    "window_end",
    metadata,
    Column("asset_id", Uuid, ForeignKey(_ASSET), primary_key=True),
    Column("block_number", BigInteger, primary_key=True),
    Column("block_hash", Text, nullable=False),
)

# Every transfer that went into an event; the key makes a replay harmless, the rest takes it back.
transfer_effect = Table(
    "transfer_effect",
    metadata,
    Column("asset_id", Uuid, ForeignKey(_ASSET), primary_key=True),
    Column("transaction_hash", Text, primary_key=True),
    Column("log_index", BigInteger, primary_key=True),
    Column("block_number", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("amount", BaseUnits, nullable=False),
    CheckConstraint("amount >= 0", name="transfer_effect_amount"),
)
Index("transfer_effect_block", transfer_effect.c.asset_id, transfer_effect.c.block_number)

# Logs that could not be read, as they came.
undecodable_log = Table(
    "undecodable_log",
    metadata,
    Column("asset_id", Uuid, ForeignKey(_ASSET), primary_key=True),
    Column("transaction_hash", Text, primary_key=True),
    Column("log_index", BigInteger, primary_key=True),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", Text, nullable=False),
    Column("topics", ARRAY(LargeBinary), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("problem", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
)
