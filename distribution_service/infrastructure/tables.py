"""The tables of the schema `distribution`. The role's search_path is its schema, so none is named here.

migrations/ makes them; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from libs.persistence.columns import BaseUnitsType
from libs.persistence.tables import define_shared_tables

metadata = MetaData()
shared = define_shared_tables(metadata)

_ADDRESS = "~ '^0x[0-9a-f]{40}$'"

known_assets = Table(
    "known_assets",
    metadata,
    Column("asset_id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("payment_token", Text, nullable=False),
    Column("payment_token_symbol", Text, nullable=False),
    Column("payment_token_decimals", SmallInteger, nullable=False),
    Column("lifecycle_contract", Text, nullable=True),
    Column("state", Text, nullable=False),
    CheckConstraint("version > 0", name="known_assets_version"),
    CheckConstraint(f"payment_token {_ADDRESS}", name="known_assets_payment_token"),
    CheckConstraint("payment_token_decimals BETWEEN 0 AND 77", name="known_assets_payment_token_decimals"),
    CheckConstraint(f"lifecycle_contract {_ADDRESS}", name="known_assets_lifecycle_contract"),
    CheckConstraint("state IN ('IMPORTING', 'ACTIVE', 'FAILED')", name="known_assets_state"),
)

distributions = Table(
    "distributions",
    metadata,
    Column("distribution_id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("asset_id", Uuid, ForeignKey("known_assets.asset_id", name="distributions_asset_id"), nullable=False),
    Column("total_base_units", BaseUnitsType, nullable=False),
    Column("payment_token", Text, nullable=False),
    Column("payment_token_symbol", Text, nullable=False),
    Column("payment_token_decimals", SmallInteger, nullable=False),
    Column("allow_unfunded", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("payout_version", BigInteger, nullable=False),
    # The figures of the domain's Progress by their names, all of them integers; null before payout_service has
    # answered.
    Column("progress", JSONB(none_as_null=True), nullable=True),
    Column("waiting_for", Text, nullable=False),
    Column("failure_reason", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    # Hundredths of a percent of the available money; null for a fixed total.
    Column("percentage_basis_points", SmallInteger, nullable=True),
    Column("kind", Text, nullable=False),
    # The dividend's or coupon's id on the asset; 0 for what is neither.
    Column("action_id", BigInteger, nullable=False),
    # See libs/payout_terms/stored.py; {} for none.
    Column("rules", JSONB, nullable=False),
    CheckConstraint("version > 0", name="distributions_version"),
    # 0 until the plan fixes it for all but a fixed total; a redemption's follows the live balances, down to 0.
    CheckConstraint(
        "CASE kind WHEN 'REDEMPTION' THEN total_base_units >= 0 "
        "WHEN 'SNAPSHOT' THEN total_base_units > 0 OR (total_base_units = 0 "
        "AND percentage_basis_points IS NOT NULL "
        "AND state NOT IN ('WAITING_FOR_FUNDS', 'EXECUTING', 'COMPLETED', 'INCOMPLETE', 'DEFERRED')) "
        "ELSE total_base_units > 0 OR (total_base_units = 0 "
        "AND state NOT IN ('WAITING_FOR_FUNDS', 'EXECUTING', 'INCOMPLETE', 'DEFERRED')) END",
        name="distributions_total",
    ),
    CheckConstraint(
        "percentage_basis_points IS NULL OR (percentage_basis_points BETWEEN 1 AND 10000 AND kind = 'SNAPSHOT')",
        name="distributions_percentage",
    ),
    CheckConstraint("kind IN ('SNAPSHOT', 'DIVIDEND', 'COUPON', 'REDEMPTION')", name="distributions_kind"),
    CheckConstraint(
        "CASE WHEN kind IN ('DIVIDEND', 'COUPON') THEN action_id > 0 ELSE action_id = 0 END",
        name="distributions_action",
    ),
    CheckConstraint("jsonb_typeof(rules) = 'object'", name="distributions_rules"),
    CheckConstraint(f"payment_token {_ADDRESS}", name="distributions_payment_token"),
    CheckConstraint("payment_token_decimals BETWEEN 0 AND 77", name="distributions_payment_token_decimals"),
    CheckConstraint(
        "state IN ('RELEASED', 'PLANNING', 'WAITING_FOR_FUNDS', 'EXECUTING', 'COMPLETED', 'INCOMPLETE', 'FAILED', "
        "'PAUSED', 'CANCELLING', 'CANCELLED', 'DEFERRED')",
        name="distributions_state",
    ),
    CheckConstraint(
        "(payout_version > 0 AND state <> 'RELEASED') OR (payout_version = 0 AND state = 'RELEASED')",
        name="distributions_payout_version",
    ),
    CheckConstraint("(progress IS NULL) = (payout_version = 0)", name="distributions_progress"),
    CheckConstraint(
        "jsonb_typeof(progress) = 'object' "
        "AND NOT progress @? 'strict $.* ? (@.type() != \"number\" || @ < 0 || @.floor() != @)'",
        name="distributions_figures",
    ),
    # IS TRUE: a sum with a missing part is unknown, and a CHECK lets pass what is unknown.
    CheckConstraint(
        "progress IS NULL OR ((progress ->> 'paid_base_units')::numeric "
        "+ (progress ->> 'cancelled_base_units')::numeric + (progress ->> 'excluded_base_units')::numeric "
        "+ (progress ->> 'withheld_base_units')::numeric + (progress ->> 'deferred_base_units')::numeric "
        "<= total_base_units) IS TRUE",
        name="distributions_paid",
    ),
    CheckConstraint(
        "state <> 'FAILED' OR (progress -> 'paid_count' = '0') IS TRUE", name="distributions_failed_paid_nobody"
    ),
)
Index("distributions_by_time", distributions.c.create_time, distributions.c.distribution_id)
Index(
    "distributions_of_asset_by_time",
    distributions.c.asset_id,
    distributions.c.create_time,
    distributions.c.distribution_id,
)
