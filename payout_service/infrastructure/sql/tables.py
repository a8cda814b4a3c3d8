"""The tables of the schema `payout`. The migrations create them; a test compares the two."""

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
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from libs.persistence.columns import BaseUnitsType
from libs.persistence.tables import define_shared_tables

metadata = MetaData()
shared = define_shared_tables(metadata)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _uint256(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BaseUnitsType, CheckConstraint(f"{name} >= 0"), nullable=nullable)


lifecycle_contract = Table(
    "lifecycle_contract",
    metadata,
    Column("asset_id", Uuid, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("token", Text, nullable=False),
    Column("payment_token", Text, nullable=False),
    Column("payment_token_symbol", Text, nullable=False),
    Column("payment_token_decimals", Integer, nullable=False),
    Column("address", Text, nullable=True),
    Column("state", Text, CheckConstraint("state IN ('DEPLOYING','NOT_READY','READY','FAILED')"), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("readiness", JSONB, nullable=False),
    Column("created", JSONB, nullable=False),
    Column("failure_reason", Text, nullable=False),
    # The request to pause or unpause that is open, and the version of the asset that asked for it.
    Column("pause_wanted", Boolean, nullable=True),
    Column("pause_wanted_version", BigInteger, nullable=True),
    # Of the request that was carried out last; 0 before the first.
    Column("pause_request_version", BigInteger, nullable=False),
    Column("pause_final_block", BigInteger, nullable=False),
    # Of the transaction under way for a request; empty for none.
    Column("pause_intent_key", Text, nullable=False),
    Column("pause_problem", Text, nullable=False),
    _time("create_time"),
    _time("update_time"),
    _time("due_time"),
    _time("lease_until", nullable=True),
    CheckConstraint(
        "(pause_wanted IS NULL) = (pause_wanted_version IS NULL)", name="pause_wanted_with_its_version"
    ),
    CheckConstraint(
        "pause_wanted_version IS NULL OR pause_wanted_version > pause_request_version",
        name="pause_wanted_is_newer",
    ),
    CheckConstraint(
        "pause_wanted IS NOT NULL OR (pause_intent_key = '' AND pause_problem = '')",
        name="pause_only_while_wanted",
    ),
)

payout = Table(
    "payout",
    metadata,
    # The distribution's id: one distribution, one payout.
    Column("payout_id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("asset_id", Uuid, ForeignKey("lifecycle_contract.asset_id"), nullable=False),
    Column(
        "kind",
        Text,
        CheckConstraint("kind IN ('SNAPSHOT','DIVIDEND','COUPON','REDEMPTION')", name="payout_kind_check"),
        nullable=False,
    ),
    # The dividend's or coupon's id on the asset, from 1; 0 for the other kinds.
    _uint256("action_id"),
    # See libs/payout_terms/stored.py; {} for none.
    Column("rules", JSONB, nullable=False),
    # 0 until the plan fixes it for all but a fixed total.
    _uint256("total_base_units"),
    Column("percentage_basis_points", Integer, nullable=True),
    Column(
        "state",
        Text,
        CheckConstraint(
            "state IN ('REQUESTED','SNAPSHOTTING','PLANNING','WAITING_FOR_FUNDS','EXECUTING','PAUSED',"
            "'CANCELLING','COMPLETED','INCOMPLETE','DEFERRED','CANCELLED','FAILED')",
            name="payout_state_check",
        ),
        nullable=False,
    ),
    Column("version", BigInteger, nullable=False),
    _uint256("snapshot_id", nullable=True),
    Column("snapshot_block_number", BigInteger, nullable=True),
    Column("snapshot_block_hash", Text, nullable=True),
    Column("holder_count", BigInteger, nullable=False),
    _uint256("total_supply"),
    # Base units of the security token.
    _uint256("excluded_balance"),
    Column("listed_count", BigInteger, nullable=False),
    # Of all rounds; holder_count and listed_count are those of the present one.
    Column("planned_count", BigInteger, nullable=False),
    Column("round_number", Integer, CheckConstraint("round_number > 0"), nullable=False),
    # The last round that may begin by itself.
    Column("round_limit", Integer, nullable=False, server_default=text("16")),
    Column("is_listing_stale", Boolean, nullable=False),
    # The frozen plan; of a redemption the one of the rounds that were frozen.
    Column("plan_holder_count", BigInteger, nullable=True),
    Column("zero_due_count", BigInteger, nullable=True),
    _uint256("payable_base_units", nullable=True),
    _uint256("rounding_dust_base_units", nullable=True),
    _uint256("frozen_share_base_units", nullable=True),
    Column("excluded_count", BigInteger, nullable=True),
    _uint256("excluded_base_units", nullable=True),
    _uint256("withheld_base_units", nullable=True),
    # As planned; deferred_count and deferred_base_units below are what is deferred now.
    Column("plan_deferred_count", BigInteger, nullable=True),
    _uint256("plan_deferred_base_units", nullable=True),
    Column("plan_hash", Text, nullable=True),
    Column("implementation", Text, nullable=True),
    Column("paused_from", Text, nullable=True),
    # The domain's Progress, by the names of its fields.
    Column("paid_count", BigInteger, nullable=False),
    Column("failed_count", BigInteger, nullable=False),
    Column("waiting_count", BigInteger, nullable=False),
    Column("cancelled_count", BigInteger, nullable=False),
    _uint256("paid_base_units"),
    _uint256("cancelled_base_units"),
    Column("deferred_count", BigInteger, nullable=False),
    _uint256("deferred_base_units"),
    Column("batch_count", Integer, nullable=False),
    Column("final_batch_count", Integer, nullable=False),
    Column("waiting_for", Text, nullable=False),
    Column("failure_reason", Text, nullable=False),
    _time("create_time"),
    _time("update_time"),
    _time("due_time"),
    _time("lease_until", nullable=True),
    # When plan, ledger and chain are compared next.
    _time("reconcile_time"),
    CheckConstraint(
        "percentage_basis_points > 0 AND percentage_basis_points <= 10000", name="percentage_in_range"
    ),
    CheckConstraint("(kind IN ('DIVIDEND','COUPON')) = (action_id > 0)", name="action_of_its_kind"),
    CheckConstraint("kind = 'REDEMPTION' OR round_number = 1", name="only_redemptions_have_rounds"),
    CheckConstraint("listed_count <= holder_count", name="listed_count_within_the_list"),
    CheckConstraint("kind = 'REDEMPTION' OR planned_count <= holder_count", name="planned_count_within_the_list"),
    CheckConstraint("(state = 'PAUSED') = (paused_from IS NOT NULL)", name="paused_from_somewhere"),
    CheckConstraint(
        # IS TRUE: a sum with a missing part is unknown, and a CHECK lets pass what is unknown.
        "plan_hash IS NULL OR (payable_base_units + rounding_dust_base_units + frozen_share_base_units "
        "+ excluded_base_units + withheld_base_units = total_base_units) IS TRUE",
        name="plan_makes_the_total",
    ),
    CheckConstraint(
        "paid_base_units + cancelled_base_units + deferred_base_units <= COALESCE(payable_base_units, 0)",
        name="never_more_than_planned",
    ),
)
Index(
    "payout_due",
    payout.c.due_time,
    postgresql_where=text(
        "state IN ('REQUESTED','SNAPSHOTTING','PLANNING','WAITING_FOR_FUNDS','EXECUTING','DEFERRED','PAUSED',"
        "'CANCELLING')"
    ),
)
Index("payout_reconciliation", payout.c.reconcile_time, postgresql_where=text("plan_hash IS NOT NULL"))
# One snapshot of our own, one payout. Those of a dividend or a coupon share the snapshot of its record date.
Index(
    "payout_of_snapshot",
    payout.c.asset_id,
    payout.c.snapshot_id,
    unique=True,
    postgresql_where=text("kind = 'SNAPSHOT'"),
)
Index("payout_of_action", payout.c.asset_id, payout.c.kind, payout.c.action_id)

batch = Table(
    "batch",
    metadata,
    Column("payout_id", Uuid, ForeignKey("payout.payout_id"), primary_key=True),
    Column("number", Integer, CheckConstraint("number > 0"), primary_key=True),
    Column("holder_count", Integer, nullable=False),
    _uint256("amount_base_units"),
    Column(
        "intent_key",
        Text,
        ForeignKey("transaction_intent.key", deferrable=True, initially="DEFERRED"),
        nullable=False,
        unique=True,
    ),
    Column(
        "settled_state",
        Text,
        CheckConstraint("settled_state IN ('SETTLED','REVERTED','VOIDED')", name="batch_settled_state_check"),
        nullable=True,
    ),
    _time("create_time"),
    _time("update_time"),
)

payment = Table(
    "payment",
    metadata,
    Column("payout_id", Uuid, ForeignKey("payout.payout_id"), primary_key=True),
    Column("ordinal", BigInteger, primary_key=True),
    Column("holder", Text, nullable=False),
    # Of a redemption, from 1.
    Column("round_number", Integer, CheckConstraint("round_number > 0"), nullable=False),
    _uint256("balance"),
    # What is paid: net.
    _uint256("amount_base_units"),
    _uint256("withheld_base_units"),
    _uint256("excluded_base_units"),
    Column(
        "withholding_basis_points",
        Integer,
        CheckConstraint("withholding_basis_points >= 0 AND withholding_basis_points <= 10000"),
        nullable=False,
    ),
    Column(
        "treatment",
        Text,
        CheckConstraint("treatment IN ('PAY','EXCLUDE','DEFER')", name="payment_treatment_check"),
        nullable=False,
    ),
    Column(
        "state",
        Text,
        CheckConstraint(
            "state IN ('PLANNED','IN_FLIGHT','WAITING','PAID','FAILED','ZERO_DUE','DISPUTED','CANCELLED',"
            "'EXCLUDED','DEFERRED')",
            name="payment_state_check",
        ),
        nullable=False,
    ),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    # When a WAITING payment is tried again.
    _time("retry_time", nullable=True),
    # Payees at most in the next batch that holds this one; NULL: as many as fit.
    Column("batch_cap", Integer, CheckConstraint("batch_cap > 0"), nullable=True),
    Column("batch_number", Integer, nullable=True),
    Column("tries", Integer, nullable=False),
    Column("transaction_hash", Text, nullable=False),
    # Of a disputed payment: what of its amount the token has moved to the payee all the same.
    Column("moved_base_units", BaseUnitsType, nullable=False, server_default=text("0")),
    _time("update_time"),
    # Every holder in exactly one place, of a redemption in each round. Holders are looked up by it, too.
    UniqueConstraint("payout_id", "holder", "round_number"),
    CheckConstraint("(state = 'WAITING') = (retry_time IS NOT NULL)", name="waiting_until"),
    CheckConstraint("(state = 'EXCLUDED') = (treatment = 'EXCLUDE')", name="excluded_for_ever"),
    CheckConstraint("state <> 'DEFERRED' OR treatment = 'DEFER'", name="deferred_by_the_rules"),
    CheckConstraint(
        "moved_base_units >= 0 AND moved_base_units <= amount_base_units", name="moved_within_the_amount"
    ),
    CheckConstraint("state = 'DISPUTED' OR moved_base_units = 0", name="moved_only_while_disputed"),
    CheckConstraint(
        "CASE WHEN treatment = 'EXCLUDE' THEN amount_base_units + withheld_base_units = 0 "
        "ELSE excluded_base_units = 0 END",
        name="paid_or_excluded",
    ),
    ForeignKeyConstraint(["payout_id", "batch_number"], ["batch.payout_id", "batch.number"]),
)
Index(
    "payment_unbatched",
    payment.c.payout_id,
    payment.c.batch_cap.nulls_first(),
    payment.c.withholding_basis_points,
    payment.c.ordinal,
    postgresql_where=text("state = 'PLANNED'"),
)
Index("payment_disputed", payment.c.payout_id, payment.c.ordinal, postgresql_where=text("state = 'DISPUTED'"))
Index("payment_waiting", payment.c.payout_id, payment.c.retry_time, postgresql_where=text("state = 'WAITING'"))
# By holder over the payouts of an asset; the amounts in it, so that summing them reads nothing else.
Index(
    "payment_deferred",
    payment.c.payout_id,
    payment.c.holder,
    postgresql_include=["amount_base_units", "ordinal"],
    postgresql_where=text("state = 'DEFERRED'"),
)
Index("payment_of_batch", payment.c.payout_id, payment.c.batch_number)

transaction_intent = Table(
    "transaction_intent",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("key", Text, nullable=False, unique=True),
    Column("purpose", Text, nullable=False),
    Column("owner_kind", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("signer", Text, nullable=False),
    Column("call_to", Text, nullable=True),
    Column("call_data", LargeBinary, nullable=False),
    Column("gas_limit", BigInteger, nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint(
            "state IN ('CREATED','SIGNED','BROADCAST','UNKNOWN','MINED','SUCCEEDED','REVERTED','VOIDED',"
            "'NONCE_LOST')",
            name="transaction_intent_state_check",
        ),
        nullable=False,
    ),
    Column("nonce", BigInteger, nullable=True),
    Column("problem", Text, nullable=False),
    Column("void_reason", Text, nullable=False),
    Column("outcome_transaction_hash", Text, nullable=True),
    Column("outcome_block_number", BigInteger, nullable=True),
    Column("outcome_block_hash", Text, nullable=True),
    Column("outcome_gas_used", BigInteger, nullable=True),
    Column("outcome_created_contract", Text, nullable=True),
    _time("create_time"),
    # A nonce belongs to one intent, for ever.
    UniqueConstraint("chain_id", "signer", "nonce"),
    CheckConstraint(
        # VOIDED before it was signed; SUCCEEDED by a transaction that the journal adopted.
        "(state = 'CREATED' AND nonce IS NULL) OR state IN ('VOIDED','SUCCEEDED') OR "
        "(state <> 'CREATED' AND nonce IS NOT NULL)",
        name="nonce_once_signed",
    ),
)
Index(
    "transaction_intent_open",
    transaction_intent.c.chain_id,
    transaction_intent.c.signer,
    transaction_intent.c.position,
    postgresql_where=text("state IN ('CREATED','SIGNED','BROADCAST','UNKNOWN','MINED')"),
)

Index("transaction_intent_outcome", transaction_intent.c.outcome_transaction_hash)

transaction_attempt = Table(
    "transaction_attempt",
    metadata,
    Column("intent_id", Uuid, ForeignKey("transaction_intent.intent_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("transaction_hash", Text, nullable=False, unique=True),
    _uint256("max_fee_per_gas_wei"),
    # NULL: a legacy transaction.
    _uint256("max_priority_fee_per_gas_wei", nullable=True),
    Column("is_no_op", Boolean, nullable=False),
    _time("create_time"),
    _time("last_broadcast_time", nullable=True),
)

nonce_lane = Table(
    "nonce_lane",
    metadata,
    Column("chain_id", BigInteger, primary_key=True),
    Column("signer", Text, primary_key=True),
    Column("genesis_hash", Text, nullable=False),
    Column("next_nonce", BigInteger, nullable=False),
    Column("halted_because", Text, nullable=False),
)

treasury = Table(
    "treasury",
    metadata,
    Column("chain_id", BigInteger, primary_key=True),
    Column("lifecycle_contract", Text, primary_key=True),
    Column("payment_token", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # The highest block whose payments are settled; a balance from before it is too high.
    Column("settled_block", BigInteger, nullable=False),
    # Up to which block money that left the contract was compared with the journal.
    Column("checked_block", BigInteger, nullable=True),
)

commitment = Table(
    "commitment",
    metadata,
    # A payout or a sweep.
    Column("owner_id", Uuid, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("lifecycle_contract", Text, nullable=False),
    Column("payment_token", Text, nullable=False),
    _uint256("amount_base_units"),
    ForeignKeyConstraint(
        ["chain_id", "lifecycle_contract", "payment_token"],
        ["treasury.chain_id", "treasury.lifecycle_contract", "treasury.payment_token"],
    ),
)
Index("commitment_of_treasury", commitment.c.chain_id, commitment.c.lifecycle_contract, commitment.c.payment_token)

foreign_transaction = Table(
    "foreign_transaction",
    metadata,
    Column("chain_id", BigInteger, primary_key=True),
    Column("signer", Text, primary_key=True),
    Column("nonce", BigInteger, primary_key=True),
    Column("transaction_hash", Text, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("call_to", Text, nullable=True),
    Column("account", Text, nullable=False),
    Column("payout_id", Uuid, ForeignKey("payout.payout_id"), nullable=True),
    _time("find_time"),
)

sweep = Table(
    "sweep",
    metadata,
    Column("sweep_id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("asset_id", Uuid, ForeignKey("lifecycle_contract.asset_id"), nullable=False),
    Column("receiver", Text, nullable=False),
    _uint256("amount_base_units"),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('SENDING','SUCCEEDED','FAILED')", name="sweep_state_check"),
        nullable=False,
    ),
    Column("waiting_for", Text, nullable=False),
    Column("failure_reason", Text, nullable=False),
    Column("transaction_hash", Text, nullable=False),
    _time("create_time"),
    _time("update_time"),
    _time("due_time"),
    _time("lease_until", nullable=True),
)
Index("sweep_due", sweep.c.due_time, postgresql_where=text("state = 'SENDING'"))

discrepancy = Table(
    "discrepancy",
    metadata,
    Column("discrepancy_id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("asset_id", Uuid, ForeignKey("lifecycle_contract.asset_id"), nullable=False),
    Column("payout_id", Uuid, ForeignKey("payout.payout_id"), nullable=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("actual", Text, nullable=False),
    Column("transaction_hash", Text, nullable=False),
    _time("find_time"),
    _time("last_seen_time"),
    _time("resolve_time", nullable=True),
)
# The same difference is open once.
Index(
    "discrepancy_open",
    discrepancy.c.asset_id,
    discrepancy.c.payout_id,
    discrepancy.c.kind,
    discrepancy.c.subject,
    unique=True,
    postgresql_where=text("resolve_time IS NULL"),
    postgresql_nulls_not_distinct=True,
)
