"""Rows of `distributions` to aggregates and back."""

from typing import Any

from sqlalchemy import Row

from distribution_service.domain.distribution import Distribution
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.domain.payout_report import Progress
from distribution_service.domain.states import DistributionState
from libs.chain.address import EvmAddress
from libs.payout_terms import PayoutKind
from libs.persistence.payee_rules import rules_from_json, rules_to_json


def distribution_of(row: Row[tuple[Any, ...]]) -> Distribution:
    """The aggregate that a row holds."""
    return Distribution(
        distribution_id=row.distribution_id,
        version=row.version,
        asset_id=row.asset_id,
        total_base_units=row.total_base_units,
        percentage_basis_points=row.percentage_basis_points,
        kind=PayoutKind(row.kind),
        action_id=row.action_id,
        rules=rules_from_json(row.rules),
        payment_token=PaymentToken(
            EvmAddress(row.payment_token), row.payment_token_symbol, row.payment_token_decimals
        ),
        allow_unfunded=row.allow_unfunded,
        state=DistributionState(row.state),
        payout_version=row.payout_version,
        progress=_progress_of(row) if row.payout_version else None,
        waiting_for=row.waiting_for,
        failure_reason=row.failure_reason,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def _progress_of(row: Row[tuple[Any, ...]]) -> Progress:
    return Progress(
        holder_count=row.holder_count,
        paid_count=row.paid_count,
        failed_count=row.failed_count,
        zero_due_count=row.zero_due_count,
        waiting_count=row.waiting_count,
        cancelled_count=row.cancelled_count,
        excluded_count=row.excluded_count,
        deferred_count=row.deferred_count,
        paid_base_units=row.paid_base_units,
        cancelled_base_units=row.cancelled_base_units,
        excluded_base_units=row.excluded_base_units,
        withheld_base_units=row.withheld_base_units,
        deferred_base_units=row.deferred_base_units,
        batch_count=row.batch_count,
        final_batch_count=row.final_batch_count,
    )


def all_values(distribution: Distribution) -> dict[str, object]:
    """The whole row of an aggregate."""
    return {
        "distribution_id": distribution.distribution_id,
        "asset_id": distribution.asset_id,
        "percentage_basis_points": distribution.percentage_basis_points,
        "kind": distribution.kind.value,
        "action_id": distribution.action_id,
        "rules": rules_to_json(distribution.rules),
        "payment_token": distribution.payment_token.address.value,
        "payment_token_symbol": distribution.payment_token.symbol,
        "payment_token_decimals": distribution.payment_token.decimals,
        "allow_unfunded": distribution.allow_unfunded,
        "create_time": distribution.create_time,
        **changing_values(distribution),
    }


def changing_values(distribution: Distribution) -> dict[str, object]:
    """The columns that a report of the payout may change."""
    progress = distribution.progress
    return {
        "version": distribution.version,
        "total_base_units": distribution.total_base_units,
        "state": distribution.state.value,
        "payout_version": distribution.payout_version,
        "holder_count": progress.holder_count if progress else None,
        "paid_count": progress.paid_count if progress else None,
        "failed_count": progress.failed_count if progress else None,
        "zero_due_count": progress.zero_due_count if progress else None,
        "waiting_count": progress.waiting_count if progress else None,
        "cancelled_count": progress.cancelled_count if progress else None,
        "excluded_count": progress.excluded_count if progress else None,
        "deferred_count": progress.deferred_count if progress else None,
        "paid_base_units": progress.paid_base_units if progress else None,
        "cancelled_base_units": progress.cancelled_base_units if progress else None,
        "excluded_base_units": progress.excluded_base_units if progress else None,
        "withheld_base_units": progress.withheld_base_units if progress else None,
        "deferred_base_units": progress.deferred_base_units if progress else None,
        "batch_count": progress.batch_count if progress else None,
        "final_batch_count": progress.final_batch_count if progress else None,
        "waiting_for": distribution.waiting_for,
        "failure_reason": distribution.failure_reason,
        "update_time": distribution.update_time,
    }
