"""Checks before each batch that what the plan relied on still holds (docs/architecture.md#before-each-batch)."""

from collections.abc import Sequence

from libs.chain.address import EvmAddress
from libs.errors import AppError
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine, StepResult
from payout_service.application.paying.follow_live_balances import follow_live_balances
from payout_service.application.planning.payout_conditions import (
    UNPAYABLE_ACTION,
    entitlement_source,
    payable_action,
    told_time,
)
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.waits import Wait, WaitFor


async def what_changed(engine: Engine, payout: Payout, contract: LifecycleContract) -> Wait | None:
    """Returns what now prevents any batch. None when everything is as it was when the plan was frozen."""
    address = contract.address
    if address is None:
        raise RuntimeError(f"asset {contract.asset_id} has no lifecycle contract")
    pays_in = await engine.lifecycle_contract.payment_token_of(address)
    if pays_in != contract.payment_token:
        detail = f"the contract now pays in {pays_in}, the plan is in {contract.payment_token}"
        return Wait(WaitFor.PAYMENT_TOKEN_CHANGED, detail)
    implementation = await engine.lifecycle_contract.implementation_of(address)
    if implementation != payout.implementation:
        detail = f"{payout.implementation} became {implementation} after the plan was frozen"
        return Wait(WaitFor.IMPLEMENTATION_CHANGED, detail)
    if await engine.lifecycle_contract.is_paused(address):
        return Wait(WaitFor.LIFECYCLE_CONTRACT_PAUSED, "who holds PAUSER_ROLE can unpause it")
    if payout.kind is PayoutKind.REDEMPTION:
        return await _redemption_changed(engine, contract)
    for signer in engine.signers:
        if not await engine.lifecycle_contract.holds_payout_role(address, signer):
            return Wait(WaitFor.PAYOUT_ROLE_MISSING, _grantable_to(signer))
    return await _action_changed(engine, payout, contract) if payout.kind.is_corporate_action else None


async def check_amounts(
    engine: Engine, payout: Payout, contract: LifecycleContract, payees: Sequence[PlannedPayment]
) -> StepResult | None:
    """Checks that the asset still owes these payees what the plan says. None when it does, or computes no amounts.

    Of a snapshot payout nobody can change the amounts: the call's total and the snapshot are fixed.
    """
    if payout.kind is PayoutKind.SNAPSHOT:
        return None
    if payout.kind is PayoutKind.REDEMPTION:
        return await follow_live_balances(engine, payout, contract, payees)
    source = entitlement_source(contract, payout.kind, payout.action_id)
    owed = await engine.security_token.entitlements(source, [payee.holder for payee in payees])
    for payee, now_owed in zip(payees, owed, strict=True):
        if now_owed.amount_base_units != payee.amount_base_units:
            detail = (
                f"the plan owes {payee.holder} {payee.amount_base_units}, the asset now says "
                f"{now_owed.amount_base_units}; CancelPayout gives up"
            )
            return StepResult(engine.settings.blocked_poll_seconds, Wait(WaitFor.AMOUNTS_CHANGED, detail))
    return None


async def _redemption_changed(engine: Engine, contract: LifecycleContract) -> Wait | None:
    address = contract.address
    if address is None:
        raise RuntimeError(f"asset {contract.asset_id} has no lifecycle contract")
    for signer in engine.signers:
        if not await engine.lifecycle_contract.holds_cash_out_role(address, signer):
            return Wait(WaitFor.CASH_OUT_ROLE_MISSING, _grantable_to(signer))
    # Without it every call reverts, and no payee is to blame.
    if not await engine.security_token.holds_redeemer_role(contract.token, address):
        detail = f"the bond's admin can grant MATURITY_REDEEMER_ROLE to {address}"
        return Wait(WaitFor.REDEEMER_ROLE_MISSING, detail)
    return None


def _grantable_to(signer: EvmAddress) -> str:
    return f"the contract's DEFAULT_ADMIN can grant it to {signer}"


async def _action_changed(engine: Engine, payout: Payout, contract: LifecycleContract) -> Wait | None:
    """Returns why the dividend or coupon must not be paid now.

    The contract would even pay a cancelled dividend (docs/contract-surprises.md#11).
    """
    try:
        action = await payable_action(engine, contract, payout.kind, payout.action_id)
    except AppError as error:
        if error.reason not in UNPAYABLE_ACTION:
            raise
        return Wait(error.reason, f"{error.message}; CancelPayout gives up")
    head = await engine.rail.head()
    if action.execution_time > head.timestamp:
        detail = f"it may be paid from {told_time(action.execution_time)} on"
        return Wait(WaitFor.EXECUTION_DATE_AHEAD, detail)
    return None
