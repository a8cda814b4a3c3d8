"""Converts rows of `distributions` to aggregates and back."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from distribution_service.domain.distribution import Distribution
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.domain.payout_report import Progress
from distribution_service.domain.states import DistributionState
from libs.chain.address import EvmAddress
from libs.payout_terms.stored import terms_from_row, terms_to_columns


def distribution_of(row: Row[tuple[Any, ...]]) -> Distribution:
    """The aggregate that a row holds."""
    return Distribution(
        distribution_id=row.distribution_id,
        version=row.version,
        asset_id=row.asset_id,
        terms=terms_from_row(row),
        total_base_units=row.total_base_units,
        payment_token=PaymentToken(
            EvmAddress(row.payment_token), row.payment_token_symbol, row.payment_token_decimals
        ),
        allow_unfunded=row.allow_unfunded,
        state=DistributionState(row.state),
        payout_version=row.payout_version,
        progress=Progress(**row.progress) if row.progress is not None else None,
        waiting_for=row.waiting_for,
        failure_reason=row.failure_reason,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def all_values(distribution: Distribution) -> dict[str, object]:
    """The whole row of an aggregate."""
    return {
        "distribution_id": distribution.distribution_id,
        "asset_id": distribution.asset_id,
        **terms_to_columns(distribution.terms),
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
        "progress": asdict(progress) if progress else None,
        "waiting_for": distribution.waiting_for,
        "failure_reason": distribution.failure_reason,
        "update_time": distribution.update_time,
    }
