"""Database rows to the domain and back."""

from typing import Any

from sqlalchemy import Row

from asset_service.domain.asset import (
    Asset,
    AssetState,
    LifecycleOrigin,
    PaymentToken,
    SecurityToken,
    SecurityType,
)
from asset_service.domain.readiness import ConditionKind, ReadinessCondition
from asset_service.domain.register import BlockPosition, Register
from libs.chain.address import EvmAddress


def asset_values(asset: Asset) -> dict[str, Any]:
    """The columns of an asset, but its place in the list."""
    return {
        "asset_id": asset.asset_id,
        "chain_id": asset.token.chain_id,
        "token": asset.token.address.value,
        "display_name": asset.token.display_name,
        "symbol": asset.token.symbol,
        "isin": asset.token.isin,
        "decimals": asset.token.decimals,
        "security_type": asset.token.security_type.value,
        "payment_token": asset.payment_token.address.value,
        "payment_token_symbol": asset.payment_token.symbol,
        "payment_token_decimals": asset.payment_token.decimals,
        "lifecycle_contract": asset.lifecycle_contract.value if asset.lifecycle_contract else None,
        "lifecycle_origin": asset.lifecycle_origin.value,
        "lifecycle_version": asset.lifecycle_version,
        "readiness": [_condition_values(condition) for condition in asset.readiness],
        "state": asset.state.value,
        "failure_reason": asset.failure_reason,
        "version": asset.version,
        "create_time": asset.create_time,
        "update_time": asset.update_time,
    }


def read_asset(row: Row[Any]) -> Asset:
    """The asset of a row."""
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
        ),
        payment_token=PaymentToken(
            address=EvmAddress(row.payment_token),
            symbol=row.payment_token_symbol,
            decimals=row.payment_token_decimals,
        ),
        lifecycle_contract=EvmAddress(row.lifecycle_contract) if row.lifecycle_contract else None,
        lifecycle_origin=LifecycleOrigin(row.lifecycle_origin),
        lifecycle_version=row.lifecycle_version,
        readiness=tuple(_read_condition(condition) for condition in row.readiness),
        state=AssetState(row.state),
        failure_reason=row.failure_reason,
        version=row.version,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def register_values(register: Register) -> dict[str, Any]:
    """The columns of a register."""
    return {
        "asset_id": register.asset_id,
        "last_sequence": register.last_sequence,
        "block_number": register.position.number if register.position else None,
        "block_hash": register.position.block_hash if register.position else None,
        "holder_count": register.holder_count,
        "total_balance": register.total_balance_base_units,
        "update_time": register.update_time,
    }


def read_register(row: Row[Any], prefix: str = "") -> Register:
    """The register of a row whose columns are named with a prefix."""
    values = row._mapping
    number = values[f"{prefix}block_number"]
    return Register(
        asset_id=values[f"{prefix}asset_id"],
        last_sequence=values[f"{prefix}last_sequence"],
        position=None if number is None else BlockPosition(number, values[f"{prefix}block_hash"]),
        holder_count=values[f"{prefix}holder_count"],
        total_balance_base_units=values[f"{prefix}total_balance"],
        update_time=values[f"{prefix}update_time"],
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
