"""The four services on tokens of the studio, checked on chain."""

from uuid import uuid4

import pytest
from eth_utils.address import to_checksum_address

from libs.protogen.typed.masspayout.asset.v1 import ImportAssetRequest
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from tests.ats import roles
from tests.ats.lifecycle import deploy_payment_token
from tests.ats.market import Market
from tests.ats.scene import AMOUNTS, SECONDS_TO_MATURITY, SUPPLY, TOKEN_TERMS
from tests.system.harness import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Divides with a remainder: a base unit stays with the contract.
TOTAL = 3 * SUPPLY + 1


async def test_a_snapshot_payout_by_a_contract_that_the_import_deploys(market: Market) -> None:
    chain = market.studio.chain
    equity = market.studio.deploy_equity(TOKEN_TERMS)
    equity.issue(AMOUNTS)
    equity.grant(roles.SNAPSHOT, market.signer)
    payment_token = deploy_payment_token(chain).address
    request = ImportAssetRequest(request_id=str(uuid4()), token=equity.address, payment_token=payment_token)
    asset = await market.active((await market.call(market.client.assets.import_asset, request)).name)
    assert asset.lifecycle_contract
    contract = to_checksum_address(asset.lifecycle_contract.evm_address)
    stage = Stage(equity.address, payment_token, contract, AMOUNTS)
    await market.deposit(stage, TOTAL)

    distribution = await market.create(asset.name, TOTAL)
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)

    await market.assert_paid_once(stage, distribution.payout, TOTAL)


async def test_a_snapshot_payout_to_holders_of_a_bond(market: Market) -> None:
    starts = market.studio.chain.now + 10
    bond = market.studio.deploy_bond(TOKEN_TERMS, starts=starts, matures=starts + SECONDS_TO_MATURITY)
    bond.issue(AMOUNTS)
    stage = market.stage_of(bond)
    asset = await market.import_stage(stage)
    await market.deposit(stage, TOTAL)

    distribution = await market.create(asset.name, TOTAL)
    distribution = await market.in_state(distribution.name, DistributionState.COMPLETED)

    await market.assert_paid_once(stage, distribution.payout, TOTAL)
