"""Converts database rows to domain objects and back."""

from typing import Any

from sqlalchemy import Row

from asset_service.domain.asset import (
    Asset,
    AssetState,
    LifecycleOrigin,
    PauseState,
    PaymentToken,
    SecurityToken,
    SecurityType,
    SyncState,
)
from asset_service.domain.readiness import ConditionKind, ReadinessCondition
from asset_service.domain.register import BlockPosition, Holding, Register
from asset_service.domain.register_check import Discrepancy, DiscrepancyKind, Finding, Subject
from libs.chain.address import EvmAddress


def asset_values(asset: Asset) -> dict[str, Any]:
    """Returns the columns of an asset, without its position in the list."""
    return {
        "asset_id": asset.asset_id,
        "chain_id": asset.token.chain_id,
        "token": asset.token.address.value,
        "token_hedera_id": asset.token.hedera_id,
        "display_name": asset.token.display_name,
        "symbol": asset.token.symbol,
        "isin": asset.token.isin,
        "decimals": asset.token.decimals,
        "security_type": asset.token.security_type.value,
        "total_supply": asset.token.total_supply_base_units,
        "token_paused": asset.token.is_paused,
        "payment_token": asset.payment_token.address.value,
        "payment_token_hedera_id": asset.payment_token.hedera_id,
        "payment_token_symbol": asset.payment_token.symbol,
        "payment_token_decimals": asset.payment_token.decimals,
        "lifecycle_contract": asset.lifecycle_contract.value if asset.lifecycle_contract else None,
        "lifecycle_origin": asset.lifecycle_origin.value,
        "lifecycle_version": asset.lifecycle_version,
        "readiness": [_condition_values(condition) for condition in asset.readiness],
        "state": asset.state.value,
        "failure_reason": asset.failure_reason,
        "sync_state": asset.sync_state.value,
        "sync_time": asset.sync_time,
        "pause_state": asset.pause_state.value,
        "pause_request": asset.pause_request,
        "pause_problem": asset.pause_problem,
        "pause_seen_sequence": asset.pause_seen_sequence,
        "reported_paused": asset.is_reported_paused,
        "version": asset.version,
        "create_time": asset.create_time,
        "update_time": asset.update_time,
    }


def read_asset(row: Row[Any]) -> Asset:
    """Returns the asset of a row."""
    return Asset(
        asset_id=row.asset_id,
        token=SecurityToken(
            chain_id=row.chain_id,
            address=EvmAddress(row.token),
            display_name=row.display_name,
            symbol=row.symbol,
            isin=row.isin,
            decimals=row.decimals,
            security_type=SecurityType(row.security_type),
            total_supply_base_units=row.total_supply,
            is_paused=row.token_paused,
            hedera_id=row.token_hedera_id,
        ),
        payment_token=PaymentToken(
            address=EvmAddress(row.payment_token),
            symbol=row.payment_token_symbol,
            decimals=row.payment_token_decimals,
            hedera_id=row.payment_token_hedera_id,
        ),
        lifecycle_contract=EvmAddress(row.lifecycle_contract) if row.lifecycle_contract else None,
        lifecycle_origin=LifecycleOrigin(row.lifecycle_origin),
        lifecycle_version=row.lifecycle_version,
        readiness=tuple(_read_condition(condition) for condition in row.readiness),
        state=AssetState(row.state),
        failure_reason=row.failure_reason,
        sync_state=SyncState(row.sync_state),
        sync_time=row.sync_time,
        pause_state=PauseState(row.pause_state),
        pause_request=row.pause_request,
        pause_problem=row.pause_problem,
        pause_seen_sequence=row.pause_seen_sequence,
        is_reported_paused=row.reported_paused,
        version=row.version,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def register_values(register: Register) -> dict[str, Any]:
    """Returns the columns of a register."""
    return {
        "asset_id": register.asset_id,
        "last_sequence": register.last_sequence,
        "block_number": register.position.number if register.position else None,
        "block_hash": register.position.block_hash if register.position else None,
        "holder_count": register.holder_count,
        "total_balance": register.total_balance_base_units,
        "total_restricted": register.total_restricted_base_units,
        "is_complete": register.is_complete,
        "update_time": register.update_time,
    }


def read_register(row: Row[Any], prefix: str = "") -> Register:
    """Returns the register of a row. The names of its columns begin with a prefix."""
    values = row._mapping
    number = values[f"{prefix}block_number"]
    return Register(
        asset_id=values[f"{prefix}asset_id"],
        last_sequence=values[f"{prefix}last_sequence"],
        position=None if number is None else BlockPosition(number, values[f"{prefix}block_hash"]),
        holder_count=values[f"{prefix}holder_count"],
        total_balance_base_units=values[f"{prefix}total_balance"],
        update_time=values[f"{prefix}update_time"],
        total_restricted_base_units=values[f"{prefix}total_restricted"],
        is_complete=values[f"{prefix}is_complete"],
    )


def read_holding(row: Row[Any]) -> Holding:
    """The holding of a row of the table `holders`."""
    return Holding(row.balance, row.frozen, row.locked, row.held, row.cleared)


def finding_values(finding: Finding) -> dict[str, Any]:
    """The columns of a finding."""
    return {
        "kind": finding.subject.kind.value,
        "holder": finding.subject.holder,
        "block_number": finding.block_number,
        "register_value": finding.register_value,
        "chain_value": finding.chain_value,
    }


def read_discrepancy(row: Row[Any]) -> Discrepancy:
    """The discrepancy of a row."""
    return Discrepancy(
        discrepancy_id=row.discrepancy_id,
        asset_id=row.asset_id,
        finding=Finding(
            Subject(DiscrepancyKind(row.kind), row.holder),
            row.block_number,
            row.register_value,
            row.chain_value,
        ),
        refresh_round=row.refresh_round,
        create_time=row.create_time,
        resolve_time=row.resolve_time,
    )


def _condition_values(condition: ReadinessCondition) -> dict[str, str | bool]:
    return {
        "kind": condition.kind.value,
        "is_satisfied": condition.is_satisfied,
        "detail": condition.detail,
        "remedy": condition.remedy,
    }


def _read_condition(values: dict[str, Any]) -> ReadinessCondition:
    return ReadinessCondition(
        kind=ConditionKind(values["kind"]),
        is_satisfied=values["is_satisfied"],
        detail=values["detail"],
        remedy=values["remedy"],
    )
