"""Checks the conditions that the chain must meet before an asset can be paid, and names who can satisfy them."""

from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from payout_service.application.engine import Engine
from payout_service.domain.lifecycle import Condition, ConditionKind
from payout_service.domain.waits import Wait


async def check_readiness(
    engine: Engine,
    token: EvmAddress,
    payment_token: EvmAddress,
    contract: EvmAddress | None,
    deployment_waits_for: Wait | None = None,
) -> tuple[Condition, ...]:
    """Checks the conditions for an asset. `contract` is None while it is still to be deployed.

    Raises AppError CHAIN_UNAVAILABLE.
    """
    conditions = [
        await _snapshot_role(engine, token),
        await _gas_money(engine),
    ]
    if contract is None:
        waiting = Condition(
            ConditionKind.LIFECYCLE_CONTRACT_EXISTS,
            is_satisfied=False,
            detail="the lifecycle contract is being deployed"
            + (f": {deployment_waits_for}" if deployment_waits_for else ""),
            remedy="nothing to do: payout_service deploys it once the signer has gas money",
        )
        return (waiting, *conditions)
    return (*await _contract_conditions(engine, token, payment_token, contract), *conditions)


async def check_readiness_of_import(
    engine: Engine, token: EvmAddress, payment_token: EvmAddress, contract: EvmAddress | None
) -> tuple[Condition, ...]:
    """Checks as `check_readiness` does, and refuses what can never become ready.

    Raises AppError NOT_A_CONTRACT (field lifecycle_contract), LIFECYCLE_ARTIFACT_NOT_CONFIGURED,
    LIFECYCLE_ARTIFACT_IS_DEVNET_ONLY, CHAIN_UNAVAILABLE.
    """
    if contract is None:
        await refuse_unless_deployable(engine)
    elif not await engine.lifecycle_contract.has_code(contract):
        raise AppError(Reason.NOT_A_CONTRACT, f"there is no contract at {contract}", field="lifecycle_contract")
    return await check_readiness(engine, token, payment_token, contract)


async def refuse_unless_deployable(engine: Engine) -> None:
    """Raises AppError when the configured artifact may not be deployed on this chain, or there is none."""
    if engine.artifact is None:
        raise AppError(
            Reason.LIFECYCLE_ARTIFACT_NOT_CONFIGURED,
            "no lifecycle contract was named, and payout_service has no artifact to deploy "
            "(PAYOUT_SERVICE_LIFECYCLE_ARTIFACT)",
            field="lifecycle_contract",
        )
    is_devnet = engine.devnet_genesis_hash == await engine.rail.genesis_hash()
    if engine.artifact.is_devnet_only and not is_devnet:
        raise AppError(
            Reason.LIFECYCLE_ARTIFACT_IS_DEVNET_ONLY,
            "the configured artifact is for the embedded chain only, and this chain is another",
            field="lifecycle_contract",
        )


async def _contract_conditions(
    engine: Engine, token: EvmAddress, payment_token: EvmAddress, contract: EvmAddress
) -> list[Condition]:
    pays_in = await engine.lifecycle_contract.payment_token_of(contract)
    exists = Condition(
        ConditionKind.LIFECYCLE_CONTRACT_EXISTS,
        is_satisfied=pays_in is not None,
        detail=f"lifecycle contract {contract}",
        remedy="" if pays_in else "import with the address of a LifeCycleCashFlow contract",
    )
    if pays_in is None:
        return [exists]
    matches = pays_in == payment_token
    is_paused = await engine.lifecycle_contract.is_paused(contract)
    lacking = [
        str(signer)
        for signer in engine.signers
        if not await engine.lifecycle_contract.holds_payout_role(contract, signer)
    ]
    is_for_asset = await engine.lifecycle_contract.is_contract_of(contract, token, engine.signer)
    return [
        exists,
        Condition(
            ConditionKind.PAYMENT_TOKEN_MATCHES,
            is_satisfied=matches,
            detail=f"the contract pays in {pays_in}",
            remedy="" if matches else f"who holds PAYMENT_TOKEN_MANAGER_ROLE: updatePaymentToken({payment_token})",
        ),
        Condition(
            ConditionKind.LIFECYCLE_CONTRACT_NOT_PAUSED,
            is_satisfied=not is_paused,
            detail="the contract is paused" if is_paused else "the contract is not paused",
            remedy="who holds PAUSER_ROLE: unpause()" if is_paused else "",
        ),
        Condition(
            ConditionKind.PAYOUT_ROLE_HELD,
            is_satisfied=not lacking,
            detail=f"PAYOUT_ROLE of the contract for the signer {_named(engine, lacking)}",
            remedy="the contract's DEFAULT_ADMIN: grantRole(PAYOUT_ROLE, signer)" if lacking else "",
        ),
        Condition(
            ConditionKind.ASSET_MATCHES,
            is_satisfied=is_for_asset is True,
            detail="the contract was made for this asset"
            if is_for_asset
            else "the contract was made for another asset"
            if is_for_asset is False
            else "cannot be told while the contract is paused or the signer lacks PAYOUT_ROLE",
            remedy=""
            if is_for_asset
            else "import with the lifecycle contract of this asset"
            if is_for_asset is False
            else "nothing for itself: it is looked at again once the contract's other conditions hold",
        ),
    ]


async def _snapshot_role(engine: Engine, token: EvmAddress) -> Condition:
    has_role = await engine.security_token.holds_snapshot_role(token, engine.signer)
    return Condition(
        ConditionKind.SNAPSHOT_ROLE_HELD,
        is_satisfied=has_role,
        detail=f"SNAPSHOT_ROLE of the asset for the signer {engine.signer}",
        remedy="" if has_role else "the asset's admin: grantRole(SNAPSHOT_ROLE, signer)",
    )


async def _gas_money(engine: Engine) -> Condition:
    needed = engine.settings.min_gas_money_wei
    lacking = [str(signer) for signer in engine.signers if await engine.rail.gas_money_wei(signer) < needed]
    return Condition(
        ConditionKind.SIGNER_HAS_GAS_MONEY,
        is_satisfied=not lacking,
        # Not the balance itself: it changes with every transaction.
        detail=f"at least {needed} wei for gas at the signer {_named(engine, lacking)}",
        remedy="anyone: send native currency to the signer" if lacking else "",
    )


def _named(engine: Engine, lacking: list[str]) -> str:
    """Returns the signers that the condition is about: those that lack something, otherwise all."""
    return ", ".join(lacking or map(str, engine.signers))
