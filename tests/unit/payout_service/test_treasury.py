"""What money a lifecycle contract holds, and to whom it is promised."""

from dataclasses import replace
from uuid import uuid4

import pytest

from libs.errors import AppError, Reason
from payout_service.application.planning.preview_payout import preview_payout
from payout_service.application.sending.list_signers import list_signers
from payout_service.application.treasury.treasury import get_treasury
from payout_service.domain.payout import PayoutState
from payout_service.domain.waits import told
from tests.support.payout.memory_chain import OTHER_SIGNER, SIGNER
from tests.support.payout.stage import ASSET_ID, Stage, ready_contract
from tests.support.payout.terms_of import terms_of


async def test_balance_promises_and_what_is_available() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payouts = [await stage.request(200), await stage.request(300)]
    for each in payouts:
        await stage.run_to(each, PayoutState.EXECUTING)
    view = await get_treasury(stage.engine, ASSET_ID)
    paid = sum(stage.payout(each).progress.paid_base_units for each in payouts)
    assert view.balance_base_units == 1_000 - paid
    assert view.committed_base_units == 500 - paid
    assert view.available_base_units == 500
    for each in payouts:
        await stage.run(each)
    view = await get_treasury(stage.engine, ASSET_ID)
    assert (view.balance_base_units, view.committed_base_units, view.commitments) == (500, 0, [])


async def test_owners_are_named_largest_first() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    small = await stage.request(200)
    await stage.run_to(small, PayoutState.EXECUTING)
    stage.chain.is_stuck = True
    large = await stage.request(0, percentage_basis_points=10_000)
    stage.chain.is_stuck = False
    await stage.run_to(large, PayoutState.PLANNING)
    view = await get_treasury(stage.engine, ASSET_ID)
    owners = dict(view.commitments)
    assert owners[f"payouts/{large}"] == stage.payout(large).total_base_units == 800
    assert [amount for _, amount in view.commitments] == sorted(owners.values(), reverse=True)


async def test_available_is_never_below_zero() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(1_000)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    stage.chain.move_money(-900)
    stage.chain.mine()
    assert (await get_treasury(stage.engine, ASSET_ID)).available_base_units == 0


async def test_money_that_is_paid_while_it_is_looked_at_does_not_count_twice() -> None:
    """Read later, the promise would be gone already, and the money that it was for still be in the balance."""
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(1_000)
    await stage.run_to(payout_id, PayoutState.EXECUTING)

    def settled_meanwhile() -> None:
        rows = stage.database.rows("commitment")
        rows[payout_id] = (rows[payout_id][0], 0)

    stage.chain.before_balance_answer = settled_meanwhile
    assert (await get_treasury(stage.engine, ASSET_ID)).available_base_units == 0


async def test_an_asset_without_a_contract_has_no_money() -> None:
    stage = Stage()
    async with stage.database.unit_of_work() as work:
        await work.lifecycle.add(replace(ready_contract(), address=None))
        await work.commit()
    view = await get_treasury(stage.engine, ASSET_ID)
    assert (view.balance_base_units, view.available_base_units, view.commitments) == (0, 0, [])


async def test_an_asset_that_is_not_known_yet_is_named() -> None:
    with pytest.raises(AppError) as caught:
        await get_treasury(Stage().engine, uuid4())
    assert (caught.value.reason, caught.value.field) == (Reason.ASSET_NOT_YET_KNOWN, "asset")
    assert "GetAsset of asset_service tells whether the asset exists" in caught.value.message


async def test_a_preview_of_a_percentage_is_of_what_is_promised_to_nobody() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(0, percentage_basis_points=4_000)
    await stage.run_to(payout_id, PayoutState.PLANNING)
    half, total = terms_of(percentage_basis_points=5_000), terms_of(total=700)
    preview = await preview_payout(stage.engine, ASSET_ID, half, with_amounts=True)
    assert (preview.total_base_units, preview.available_base_units, preview.shortfall_base_units) == (300, 600, 0)
    assert preview.plan
    assert preview.plan.payable_base_units == 300
    short = await preview_payout(stage.engine, ASSET_ID, total, with_amounts=False)
    assert (short.total_base_units, short.shortfall_base_units, short.plan) == (700, 100, None)


async def test_signers_show_their_lanes() -> None:
    stage = Stage(signers=(SIGNER, OTHER_SIGNER))
    for key in ("creation/a", "creation/b"):
        await stage.add_intent(key)
    await stage.drive()
    first, second = await list_signers(stage.engine)
    assert (first.address, first.next_nonce, first.in_flight_count, first.queued_count) == (SIGNER, 1, 1, 1)
    assert (second.address, second.next_nonce, second.in_flight_count, second.queued_count) == (
        OTHER_SIGNER,
        0,
        0,
        0,
    )
    stage.chain.use_nonce_elsewhere()
    stage.chain.mine(3)
    for _ in range(3):
        await stage.drive()
    first, second = await list_signers(stage.engine)
    assert told(first.halted_because).startswith("SIGNER_NEEDS_RECONCILIATION: ")
    assert told(second.halted_because) == ""
