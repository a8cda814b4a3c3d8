"""The deployer acts on the embedded chain alone; the security token's snapshots are exact and cheap."""

import copy
import random
from collections.abc import Sequence

import pytest
from eth_typing import ChecksumAddress

from deploy.devnet.deployer import Devnet, NotTheEmbeddedChainError, seeded_holders
from deploy.devnet.node import GAS_PER_BATCH, GAS_PER_BATCH_ENTRY, MAX_TRANSACTION_GAS
from tests.integration.devnet.stage import Node, Stage, error_data, running_anvil

FULL_BATCH = (MAX_TRANSACTION_GAS - GAS_PER_BATCH) // GAS_PER_BATCH_ENTRY


async def test_another_chain_is_refused_before_anything_is_sent(node: Node, devnet: Devnet) -> None:
    other = Devnet(node.url, expected_genesis_hash="0x" + "11" * 32)
    blocks = await devnet.web3.eth.block_number

    with pytest.raises(NotTheEmbeddedChainError, match=node.genesis_hash):
        await other.deploy_payment_token()
    with pytest.raises(NotTheEmbeddedChainError):
        await other.fund_gas(await devnet.admin())
    await other.close()

    assert await devnet.web3.eth.block_number == blocks


async def test_the_asset_describes_itself(stage: Stage) -> None:
    metadata = await stage.asset("getERC20Metadata")

    assert metadata == (("Acme Shares", "ACME", "US0000000001", 6), 1)


def test_seeded_holders_are_distinct_uneven_and_repeatable() -> None:
    holders = seeded_holders(5_000, seed=7)

    assert holders == seeded_holders(5_000, seed=7)
    assert holders[:100] == seeded_holders(100, seed=7)
    assert len({address for address, _ in holders}) == 5_000
    assert not {address for address, _ in holders} & {address for address, _ in seeded_holders(5_000, seed=8)}
    amounts = sorted(amount for _, amount in holders)
    assert amounts[0] > 0
    assert sum(amounts[-50:]) > sum(amounts[:2_500])


async def test_a_snapshot_costs_the_same_however_many_hold(stage: Stage) -> None:
    holders = seeded_holders(2_500, seed=3)
    gas = []
    for start, end in ((0, 250), (250, 2_500)):
        await stage.devnet.issue(stage.token, dict(holders[start:end]))
        receipt = await stage.devnet.transact(
            "EquityToken", stage.token, "takeSnapshot", [], sender=stage.operator
        )
        gas.append(receipt["gasUsed"])

    assert gas[0] == gas[1] < 60_000
    assert await stage.asset("getTotalTokenHoldersAtSnapshot", 1) == 250
    assert await stage.asset("getTotalTokenHoldersAtSnapshot", 2) == 2_500
    assert await stage.asset("totalSupplyAtSnapshot", 2) == sum(amount for _, amount in holders)
    assert await stage.asset("getTokenHoldersAtSnapshot", 2, 2, 1_000) == [a for a, _ in holders[2_000:]]


class RegisterModel:
    """Balances, and the list of holders in which the last one fills a leaver's place."""

    def __init__(self, people: Sequence[ChecksumAddress]) -> None:
        self.balances = dict.fromkeys(people, 0)
        self.places: list[ChecksumAddress] = []

    def credit(self, person: ChecksumAddress, amount: int) -> None:
        if amount and person not in self.places:
            self.places.append(person)
        self.balances[person] += amount

    def debit(self, person: ChecksumAddress, amount: int) -> None:
        self.balances[person] -= amount
        if amount and not self.balances[person]:
            index = self.places.index(person)
            last = self.places.pop()
            if last != person:
                self.places[index] = last


async def change_at_random(stage: Stage, model: RegisterModel, generator: random.Random) -> None:
    """Issue to anyone, or transfer something or all from a holder to anyone; in the model, too."""
    to = generator.choice(list(model.balances))
    if not model.places or generator.random() < 0.2:
        amount = generator.randrange(4)
        await stage.devnet.transact("EquityToken", stage.token, "issue", [to, amount])
    else:
        sender = generator.choice(model.places)
        everything = model.balances[sender]
        amount = generator.choice([everything, generator.randrange(everything + 1)])
        await stage.devnet.transfer(stage.token, sender, to, amount)
        model.debit(sender, amount)
    model.credit(to, amount)


async def test_snapshots_stay_exact_through_random_changes(stage: Stage) -> None:
    seed = 20_240_607
    generator = random.Random(seed)
    people = [address for address, _ in seeded_holders(5, seed)]
    model = RegisterModel(people)
    snapshots = {}
    for _ in range(12):
        for _ in range(generator.randrange(8)):
            await change_at_random(stage, model, generator)
        snapshots[await stage.snapshot()] = copy.deepcopy(model)
    for _ in range(8):
        await change_at_random(stage, model, generator)

    assert await stage.asset("getSecurityHolders", 0, 100) == model.places, f"seed {seed}"
    assert await stage.asset("getTotalSecurityHolders") == len(model.places), f"seed {seed}"
    for snapshot, then in snapshots.items():
        told = f"seed {seed}, snapshot {snapshot}"
        assert await stage.asset("getTokenHoldersAtSnapshot", snapshot, 0, 100) == then.places, told
        assert await stage.asset("getTotalTokenHoldersAtSnapshot", snapshot) == len(then.places), told
        assert await stage.asset("totalSupplyAtSnapshot", snapshot) == sum(then.balances.values()), told
        for person, balance in then.balances.items():
            assert await stage.asset("balanceOfAtSnapshot", snapshot, person) == balance, told


async def test_issuing_in_many_transactions_loses_none_while_blocks_tick() -> None:
    """A last, smaller batch once overtook its predecessor in a full block and was dropped by the node."""
    holders = seeded_holders(3 * FULL_BATCH + 20, seed=5)
    with running_anvil("--block-time", "1") as node:
        async with Devnet(node.url, expected_genesis_hash=node.genesis_hash) as devnet:
            token = await devnet.deploy_equity_token("Acme Shares", "ACME", "US0000000001", 0)
            await devnet.issue(token, dict(holders))
            count = await devnet.contract("EquityToken", token).functions.getTotalSecurityHolders().call()

    assert count == len(holders)


async def test_only_the_proxy_admins_owner_upgrades_and_the_state_stays(stage: Stage) -> None:
    web3 = stage.devnet.web3
    word = await web3.eth.get_storage_at(
        stage.lifecycle, 0xB53127684A568B3173AE13B9F8A6016E243E63B6E8EE1178D6A717850B5D6103
    )
    proxy_admin = web3.to_checksum_address(word[-20:])
    twin = await stage.devnet.deploy_lifecycle_contract(stage.token, stage.payment_token, stage.operator)
    slot = 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC
    implementation = web3.to_checksum_address((await web3.eth.get_storage_at(twin, slot))[-20:])
    upgrade = (stage.lifecycle, implementation, b"")

    refusal = await stage.revert_of(
        "upgradeAndCall", *upgrade, sender=stage.stranger, contract="ProxyAdmin", address=proxy_admin
    )
    await stage.devnet.transact("ProxyAdmin", proxy_admin, "upgradeAndCall", upgrade, sender=stage.operator)

    assert refusal == error_data("NotOwner(address)", stage.stranger)
    assert web3.to_checksum_address((await web3.eth.get_storage_at(stage.lifecycle, slot))[-20:]) == implementation
    assert await stage.read("LifeCycleCashFlow", stage.lifecycle, "getPaymentToken") == stage.payment_token
    shut_out = await stage.revert_of("isPaused", sender=proxy_admin)
    assert shut_out == error_data("AdminCanOnlyUpgrade()")
