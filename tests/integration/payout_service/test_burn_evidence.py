"""What of the asset was burned, by the logs of a cash-out on a node: in every form that there is, and once."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from deploy.devnet.roles import CASHOUT_ROLE, DEFAULT_ADMIN_ROLE
from deploy.devnet.terms import AssetVersion
from libs.chain.quantities import HolderAddress, TokenUnits
from libs.evm.rpc import JsonRpc
from payout_service.domain.settlement import ExecutionKind
from tests.integration.devnet.stage import Stage
from tests.integration.payout_service.chain_venues import (
    BIG,
    MIDDLE,
    SMALL,
    NodeVenue,
    bond_stage,
    evidence_of,
    opened,
    pay,
)
from tests.support.payout.amounts import execution_of

CASH_OUT = execution_of(ExecutionKind.CASH_OUT, 0, 0, (BIG, MIDDLE, SMALL))
BURNED = {BIG: 60, MIDDLE: 30, SMALL: 10}


@pytest.fixture(params=AssetVersion, ids=lambda version: f"version {version.value}")
def version(request: pytest.FixtureRequest) -> AssetVersion:
    chosen: AssetVersion = request.param
    return chosen


@pytest_asyncio.fixture
async def bond_and_maturity(stage: Stage, version: AssetVersion) -> tuple[Stage, int]:
    return await bond_stage(stage, version)


@pytest.fixture
def bond(bond_and_maturity: tuple[Stage, int]) -> Stage:
    """A bond whose holders have what BURNED says."""
    return bond_and_maturity[0]


@pytest_asyncio.fixture
async def venue(
    bond_and_maturity: tuple[Stage, int], rpc: JsonRpc, account: LocalAccount
) -> AsyncIterator[NodeVenue]:
    """The bond, not yet mature, with money."""
    bond, maturity = bond_and_maturity
    async with opened(NodeVenue(bond, rpc, account, maturity)) as venue:
        await venue.deposit(1_000)
        yield venue


async def redeemed_by_cash_out(venue: NodeVenue) -> Mapping[HolderAddress, TokenUnits | None]:
    """What the evidence of a cash-out of everybody after the maturity date says."""
    await venue.advance_to(venue.maturity_time + 1)
    receipt, batch = await pay(venue, CASH_OUT)
    assert receipt.succeeded
    return (await evidence_of(venue, batch)).redeemed


async def test_a_burn_is_counted_once_whichever_forms_tell_it(venue: NodeVenue) -> None:
    assert await redeemed_by_cash_out(venue) == BURNED


async def test_burns_of_two_partitions_are_counted_together(bond: Stage, venue: NodeVenue) -> None:
    await venue.at_once(bond.devnet.issue_into_second_partition(bond.token, to_checksum_address(BIG), 7))

    assert await redeemed_by_cash_out(venue) == BURNED | {BIG: 67}


async def test_of_adjusted_tokens_as_many_are_counted_as_were_burned(bond: Stage, venue: NodeVenue) -> None:
    """Transfers from nobody to nobody tell of the adjustment; what was added is not burned."""
    await venue.at_once(bond.devnet.adjust_balances(bond.token, 3))

    assert await redeemed_by_cash_out(venue) == BURNED
    assert await bond.asset("totalSupply") == 200


async def test_a_lock_in_the_same_transaction_is_no_burn(bond: Stage, venue: NodeVenue) -> None:
    devnet, big = bond.devnet, to_checksum_address(BIG)
    bundle = await venue.at_once(devnet.deploy_calls_in_one())
    await venue.at_once(bond.change("grantRole", DEFAULT_ADMIN_ROLE, bundle))
    await venue.at_once(bond.send("grantRole", CASHOUT_ROLE, bundle))
    await venue.advance_to(venue.maturity_time + 1)
    lock = bond.contract(bond.token_contract, bond.token).encode_abi("lock", [4, big, venue.maturity_time * 2])
    holders = [to_checksum_address(each) for each in CASH_OUT.holders]
    cash_out = bond.contract("LifeCycleCashFlow", bond.lifecycle).encode_abi(
        "executeBondCashOutByAddresses", [bond.token, holders]
    )

    receipt = await venue.at_once(
        devnet.transact("CallsInOne", bundle, "run", [[bond.token, bond.lifecycle], [lock, cash_out]])
    )

    evidence = await evidence_of(venue, receipt["transactionHash"].to_0x_hex())
    assert evidence.event
    assert dict(evidence.redeemed) == BURNED | {BIG: 56}
    assert await bond.asset("totalSupply") == 4


async def test_a_burn_that_one_log_tells_is_counted(stage: Stage, rpc: JsonRpc, account: LocalAccount) -> None:
    """As in the npm package 2.0.0."""
    bond, maturity = await bond_stage(stage)
    await bond.devnet.burn_like_package_2(bond.token)
    async with opened(NodeVenue(bond, rpc, account, maturity)) as venue:
        await venue.deposit(1_000)

        assert await redeemed_by_cash_out(venue) == BURNED
