"""The main job end to end, and what its users see of it."""

from __future__ import annotations

from uuid import uuid4

from eth_utils.address import to_checksum_address

from libs.client.client import progress_of
from libs.protogen.typed.masspayout.asset.v1 import AssetState, ImportAssetRequest, ListHoldersRequest
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState, PreviewDistributionRequest
from libs.protogen.typed.masspayout.payout.v1 import BatchState, GetPayoutRequest, PaymentState
from libs.protogen.typed.masspayout.type.v1 import AmountInput, PayoutTerms, ReadinessConditionKind
from tests.system.harness import WAIT_SECONDS, Harness, Stage, eventually, import_request

_TOTAL = 1_000_000_007


async def test_every_holder_is_paid_and_everything_says_so(harness: Harness) -> None:
    stage = await harness.stage(30)
    asset = await harness.import_stage(stage)
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)

    distribution = await harness.create(asset.name, _TOTAL)
    seen = [
        each async for each in harness.client.watch_distribution(distribution.name, timeout_seconds=WAIT_SECONDS)
    ]

    assert seen[-1].state is DistributionState.COMPLETED
    verification = await harness.verification(stage, _TOTAL)
    assert verification.differences == ()

    payout = await harness.call(harness.client.payouts.get_payout, GetPayoutRequest(name=distribution.payout))
    batches = await harness.batches(payout.name)
    payments = await harness.payments(payout.name, page_size=7)
    assert len(batches) >= 3
    assert all(batch.state is BatchState.SETTLED and batch.gas_used for batch in batches)
    assert [payment.holder.evm_address for payment in payments if payment.holder] == list(stage.holders)
    supply = sum(stage.holders.values())
    for payment in payments:
        assert payment.holder
        assert payment.amount
        owed = _TOTAL * stage.holders[to_checksum_address(payment.holder.evm_address)] // supply
        assert int(payment.amount.base_units) == owed
        assert payment.state is (PaymentState.PAID if owed else PaymentState.ZERO_DUE)
        assert bool(payment.transaction_hash) == bool(owed)
    # The accounting identity, from the answers alone.
    paid_amount = progress_of(payout).paid_amount
    assert paid_amount
    assert payout.rounding_dust
    assert payout.frozen_share
    parts = (paid_amount, payout.rounding_dust, payout.frozen_share)
    assert sum(int(part.base_units) for part in parts) == _TOTAL
    assert int(paid_amount.base_units) == verification.paid_base_units
    assert int(payout.rounding_dust.base_units) == verification.left_in_contract_base_units


async def test_the_lifecycle_contract_is_deployed_and_readiness_names_who_can_help(harness: Harness) -> None:
    stage = await harness.stage(5, grant=False)
    request = ImportAssetRequest(request_id=str(uuid4()), token=stage.token, payment_token=stage.payment_token)
    asset = await harness.call(harness.client.assets.import_asset, request)
    assert asset.state is AssetState.IMPORTING
    still_open = {each.kind: each for each in asset.readiness if not each.satisfied}
    assert set(still_open) == {
        ReadinessConditionKind.LIFECYCLE_CONTRACT_EXISTS,
        ReadinessConditionKind.SNAPSHOT_ROLE_HELD,
    }
    assert "grantRole(SNAPSHOT_ROLE" in still_open[ReadinessConditionKind.SNAPSHOT_ROLE_HELD].remedy

    await harness.devnet.grant_snapshot_role(stage.token, harness.signer)
    asset = await harness.active(asset.name)
    assert asset.lifecycle_contract
    contract = to_checksum_address(asset.lifecycle_contract.evm_address)
    deployed = Stage(stage.token, stage.payment_token, contract, stage.holders)
    await harness.devnet.mint_payment_token(stage.payment_token, contract, _TOTAL)
    distribution = await harness.create(asset.name, _TOTAL)
    await harness.in_state(distribution.name, DistributionState.COMPLETED)
    assert (await harness.verification(deployed, _TOTAL)).differences == ()


async def test_the_register_lists_the_holders_that_the_chain_has(harness: Harness) -> None:
    stage = await harness.stage(12)
    asset = await harness.import_stage(stage)

    async def register_is_complete() -> bool:
        page = await harness.call(harness.client.assets.list_holders, ListHoldersRequest(parent=asset.name))
        found = {
            holder.account.evm_address: int(holder.balance_base_units) for holder in page.holders if holder.account
        }
        return found == dict(stage.holders)

    await eventually(register_is_complete, "the register equals the chain")


async def test_the_preview_tells_what_is_then_paid(harness: Harness) -> None:
    stage = await harness.stage(8)
    asset = await harness.import_stage(stage)
    amount = AmountInput(decimal_amount="1000.000007")
    request = PreviewDistributionRequest(asset=asset.name, terms=PayoutTerms(total_amount=amount))
    before = await harness.call(harness.client.distributions.preview_distribution, request)
    assert before.shortfall
    assert before.shortfall.decimal_amount == "1000.000007"

    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
    preview = await harness.call(harness.client.distributions.preview_distribution, request)
    assert preview.holder_count == 8
    assert preview.shortfall
    assert preview.shortfall.base_units == "0"
    distribution = await harness.create(asset.name, _TOTAL)
    await harness.in_state(distribution.name, DistributionState.COMPLETED)
    verification = await harness.verification(stage, _TOTAL)
    assert preview.payable_amount
    assert preview.rounding_dust
    assert int(preview.payable_amount.base_units) == verification.paid_base_units
    assert int(preview.rounding_dust.base_units) == verification.left_in_contract_base_units


async def test_an_unfunded_distribution_waits_by_name_and_goes_on_after_a_deposit(harness: Harness) -> None:
    stage = await harness.stage(6)
    asset = await harness.import_stage(stage)
    distribution = await harness.create(asset.name, _TOTAL, allow_unfunded=True)
    waiting = await harness.in_state(distribution.name, DistributionState.WAITING_FOR_FUNDS)

    async def wait_is_named() -> bool:
        nonlocal waiting
        waiting = await harness.in_state(distribution.name, DistributionState.WAITING_FOR_FUNDS)
        return waiting.waiting_for.startswith("INSUFFICIENT_FUNDS: ")

    await eventually(wait_is_named, "the reason is named")
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
    await harness.in_state(distribution.name, DistributionState.COMPLETED)
    assert (await harness.verification(stage, _TOTAL)).differences == ()


async def test_money_promised_to_one_payout_is_not_paid_to_another(harness: Harness) -> None:
    stage = await harness.stage(6)
    asset = await harness.import_stage(stage)
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
    first = await harness.create(asset.name, _TOTAL, allow_unfunded=True)
    second = await harness.create(asset.name, _TOTAL, allow_unfunded=True)
    states = (DistributionState.COMPLETED, DistributionState.WAITING_FOR_FUNDS)

    async def one_is_paid_and_one_waits() -> bool:
        found = {(await harness.in_state(each.name, *states)).state for each in (first, second)}
        return found == set(states)

    await eventually(one_is_paid_and_one_waits, "one paid, one waiting")
    assert (await harness.verification(stage, _TOTAL)).differences == ()
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
    for each in (first, second):
        await harness.in_state(each.name, DistributionState.COMPLETED)


async def test_a_blocked_payee_fails_by_name_and_the_others_are_paid(harness: Harness) -> None:
    stage = await harness.stage(10)
    asset = await harness.import_stage(stage)
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
    blocked = max(stage.holders, key=lambda holder: stage.holders[holder])
    await harness.devnet.block_payee(stage.payment_token, blocked)

    distribution = await harness.create(asset.name, _TOTAL)
    distribution = await harness.in_state(distribution.name, DistributionState.INCOMPLETE)

    assert distribution.progress
    assert distribution.progress.failed_count == 1
    payments = {
        payment.holder.evm_address: payment
        for payment in await harness.payments(distribution.payout)
        if payment.holder
    }
    assert payments[blocked].state is PaymentState.FAILED
    assert payments[blocked].reason == "TRANSFER_REFUSED"
    assert all(
        payment.state in (PaymentState.PAID, PaymentState.ZERO_DUE)
        for holder, payment in payments.items()
        if holder != blocked
    )
    differences = (await harness.verification(stage, _TOTAL)).differences
    assert [difference.split()[0] for difference in differences] == [blocked]


async def test_a_repeated_request_makes_nothing_twice(harness: Harness) -> None:
    stage = await harness.stage(4)
    request = import_request(stage)
    first = await harness.call(harness.client.assets.import_asset, request)
    second = await harness.call(harness.client.assets.import_asset, request)
    assert first.name == second.name
