"""Checks the conditions that the chain must meet before a payout can begin: its asset's, and those of its kind."""

from collections.abc import Mapping
from datetime import UTC, datetime

from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.payout_terms.terms import PayoutKind, PayoutTerms
from payout_service.application.contract.check_readiness import check_readiness
from payout_service.application.engine import Engine
from payout_service.application.ports.security_token import CorporateAction, EntitlementSource
from payout_service.domain.lifecycle import Condition, ConditionKind, LifecycleContract
from payout_service.domain.payee_rules import unsupported_rule

# Why a dividend or coupon is not, or no longer, paid; none of it passes by itself.
UNPAYABLE_ACTION = frozenset(
    {
        Reason.CORPORATE_ACTION_NOT_FOUND,
        Reason.CORPORATE_ACTION_CANCELLED,
        Reason.ASSET_VERSION_NOT_SUPPORTED,
    }
)
# Only a snapshot payout takes a snapshot of its own; anyone may trigger a scheduled one. PAYOUT_ROLE is asked for
# of a redemption too: without it nobody can tell whether the contract is the asset's.
_NOT_NEEDED: Mapping[PayoutKind, frozenset[ConditionKind]] = {
    PayoutKind.SNAPSHOT: frozenset(),
    PayoutKind.DIVIDEND: frozenset({ConditionKind.SNAPSHOT_ROLE_HELD}),
    PayoutKind.COUPON: frozenset({ConditionKind.SNAPSHOT_ROLE_HELD}),
    PayoutKind.REDEMPTION: frozenset({ConditionKind.SNAPSHOT_ROLE_HELD}),
}


async def payout_conditions(
    engine: Engine, contract: LifecycleContract, terms: PayoutTerms
) -> tuple[Condition, ...]:
    """The conditions for a payout on these terms.

    Raises AppError RULE_NOT_SUPPORTED, NOT_A_BOND and those of UNPAYABLE_ACTION: these never become ready;
    CHAIN_UNAVAILABLE.
    """
    unsupported = unsupported_rule(terms)
    if unsupported:
        raise AppError(Reason.RULE_NOT_SUPPORTED, unsupported.why, field=f"terms.rules.{unsupported.field}")
    kind = terms.kind
    of_kind: tuple[Condition, ...] = ()
    if kind.is_corporate_action:
        of_kind = await _of_action(engine, contract, kind, terms.action_id)
    elif kind is PayoutKind.REDEMPTION:
        of_kind = await _of_redemption(engine, contract)
    of_asset = await check_readiness(engine, contract.token, contract.payment_token, contract.address)
    return (*(each for each in of_asset if each.kind not in _NOT_NEEDED[kind]), *of_kind)


async def payable_action(
    engine: Engine,
    contract: LifecycleContract,
    kind: PayoutKind,
    action_id: int,
    block_number: BlockNumber | None = None,
) -> CorporateAction:
    """Returns the dividend or coupon as it is at a block (None: the newest).

    Raises AppError, with one of UNPAYABLE_ACTION: the lifecycle contract would pay a cancelled dividend all the
    same (docs/contract-surprises.md#11).
    """
    field = f"terms.{kind.value.lower()}_id"
    action = await engine.security_token.corporate_action(contract.token, kind, action_id, block_number)
    if action is None:
        what = f"the asset {contract.token} has no {kind.value.lower()} {action_id}"
        raise AppError(Reason.CORPORATE_ACTION_NOT_FOUND, what, field=field)
    if action.is_cancelled:
        what = f"{kind.value.lower()} {action_id} of the asset {contract.token} is cancelled"
        raise AppError(Reason.CORPORATE_ACTION_CANCELLED, what, field=field)
    return action


def entitlement_source(contract: LifecycleContract, kind: PayoutKind, action_id: int) -> EntitlementSource:
    """Returns where the amounts of a corporate action or a redemption are read from."""
    return EntitlementSource(
        token=contract.token,
        kind=kind,
        action_id=action_id,
        payment_token_decimals=contract.payment_token_decimals,
    )


def told_time(unix_seconds: int) -> str:
    """Formats a time of the chain for people."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat().replace("+00:00", "Z")


async def _of_action(
    engine: Engine, contract: LifecycleContract, kind: PayoutKind, action_id: int
) -> tuple[Condition, ...]:
    action = await payable_action(engine, contract, kind, action_id)
    head = await engine.rail.head()
    is_reached = action.record_time <= head.timestamp
    record_date = Condition(
        ConditionKind.RECORD_DATE_REACHED,
        is_satisfied=is_reached,
        detail=f"the record date of {kind.value.lower()} {action_id} is {told_time(action.record_time)}",
        remedy="" if is_reached else "nothing to do: the payout goes on then",
    )
    if kind is not PayoutKind.COUPON:
        return (record_date,)
    rate = Condition(
        ConditionKind.RATE_SET,
        is_satisfied=action.is_rate_set,
        detail=f"the rate of coupon {action_id} is {'set' if action.is_rate_set else 'pending'}",
        remedy="" if action.is_rate_set else "the issuer sets the coupon's rate on the asset",
    )
    return record_date, rate


async def _of_redemption(engine: Engine, contract: LifecycleContract) -> tuple[Condition, ...]:
    maturity_time = await engine.security_token.maturity_time(contract.token)
    if maturity_time is None:
        raise AppError(
            Reason.NOT_A_BOND,
            f"only a bond can be redeemed: {contract.token} has no maturity date",
            field="terms.redemption",
        )
    head = await engine.rail.head()
    # Not in the very second: the lifecycle contract would pay then, and version 7 of the bond refuses to redeem.
    is_mature = maturity_time < head.timestamp
    maturity = Condition(
        ConditionKind.MATURITY_REACHED,
        is_satisfied=is_mature,
        detail=f"the bond matures at {told_time(maturity_time)}",
        remedy="" if is_mature else "nothing to do: the payout goes on then",
    )
    if contract.address is None:
        return (maturity,)
    lacking = [
        str(signer)
        for signer in engine.signers
        if not await engine.lifecycle_contract.holds_cash_out_role(contract.address, signer)
    ]
    redeems = await engine.security_token.holds_redeemer_role(contract.token, contract.address)
    return (
        maturity,
        Condition(
            ConditionKind.CASH_OUT_ROLE_HELD,
            is_satisfied=not lacking,
            detail=f"CASHOUT_ROLE of the contract for the signer {', '.join(lacking or map(str, engine.signers))}",
            remedy="the contract's DEFAULT_ADMIN: grantRole(CASHOUT_ROLE, signer)" if lacking else "",
        ),
        Condition(
            ConditionKind.REDEEMER_ROLE_HELD,
            is_satisfied=redeems,
            detail=f"MATURITY_REDEEMER_ROLE of the bond for the lifecycle contract {contract.address}",
            remedy="" if redeems else "the bond's admin: grantRole(MATURITY_REDEEMER_ROLE, lifecycle contract)",
        ),
    )
