"""Where the chain's contract tests take place: the chain in memory, and a real node with the devnet contracts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any, Protocol

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from deploy.devnet.artifacts import LifecycleArtifact
from deploy.devnet.securities import BOND
from deploy.devnet.terms import DEFAULT_VERSION, AssetVersion, BondTerms, Coupon, Dividend
from libs.chain.address import EvmAddress
from libs.chain.quantities import HolderAddress, Nonce, Wei
from libs.evm.rpc import JsonRpc
from payout_service.application.ports.lifecycle_contract import ReceiptEvidence
from payout_service.application.ports.rail import Receipt
from payout_service.application.ports.sender import BroadcastAnswer
from payout_service.domain.fees import Fees, first_fees
from payout_service.domain.settlement import Execution, ExecutionKind
from payout_service.domain.transaction import ContractCall, SignedTransaction
from payout_service.infrastructure.chain.signer import LocalSigner
from tests.integration.devnet.stage import Stage
from tests.support.payout.amounts import execution_of
from tests.support.payout.contracts import Contracts, EvmContracts, SendingEvmRail, SendingRail
from tests.support.payout.memory_chain import CHAIN_ID, CONTRACT, PAYMENT_TOKEN, SIGNER, TOKEN, MemoryChain

BIG, MIDDLE, SMALL, STRANGER = (HolderAddress(f"0x{1_001 + number:040x}") for number in range(4))
BALANCES = {BIG: 60, MIDDLE: 30, SMALL: 10}
CAP = 10**13
GAS = 1_500_000
# Base units of the payment token for each base unit of the bond: the smallest holder's floors to nothing.
PRINCIPAL = Fraction(5, 100)
SECONDS_TO_MATURITY = 10_000
_YEAR_SECONDS = 365 * 24 * 3600
_RATE_DECIMALS, _RATE_SCALE = 4, 10_000


class Venue(Protocol):
    """A chain with the asset's holders, and the hand of whoever runs it. Blocks are made by `mine` only.

    What the issuer and others do is done when the method returns. Times are in seconds since 1970.
    """

    rail: SendingRail
    contracts: Contracts
    signer: EvmAddress
    token: EvmAddress
    lifecycle: EvmAddress
    money: EvmAddress
    # Of a bond; 0 of an equity.
    maturity_time: int

    async def deposit(self, amount: int) -> None: ...

    async def block_payee(self, payee: HolderAddress) -> None: ...

    async def unblock_payee(self, payee: HolderAddress) -> None: ...

    async def pause(self) -> None: ...

    async def announce(self, record_time: int, execution_time: int, per_token: Fraction | None) -> int:
        """A dividend of an equity, a coupon of a bond; None: its rate is pending. Returns its id."""
        ...

    async def set_rate(self, coupon_id: int, per_token: Fraction) -> None: ...

    async def cancel(self, action_id: int) -> None: ...

    async def transfer(self, sender: HolderAddress, to: HolderAddress, amount: int) -> None: ...

    async def freeze(self, holder: HolderAddress, amount: int) -> None: ...

    async def list_holder(self, holder: HolderAddress) -> None: ...

    async def unlist_holder(self, holder: HolderAddress) -> None: ...

    async def revoke_redeemer_role(self) -> None: ...

    async def mine(self, count: int = 1) -> None: ...

    async def advance_to(self, timestamp: int) -> None:
        """Mines a block with this timestamp."""
        ...

    async def reorg(self, depth: int) -> None: ...

    async def set_base_fee(self, wei: int) -> None: ...


class MemoryVenue:
    """The chain in memory."""

    def __init__(self, *, is_bond: bool = False) -> None:
        self.chain = MemoryChain(balances=list(BALANCES.items()))
        self.chain.refuses_below_base_fee = True
        self.chain.mine(5)
        self.rail: SendingRail = self.chain
        self.contracts: Contracts = self.chain
        self.signer, self.token, self.lifecycle, self.money = SIGNER, TOKEN, CONTRACT, PAYMENT_TOKEN
        self.maturity_time = self.chain.timestamp + SECONDS_TO_MATURITY if is_bond else 0
        if is_bond:
            self.chain.become_bond(self.maturity_time, PRINCIPAL)

    async def deposit(self, amount: int) -> None:
        self.chain.deposit(amount)

    async def block_payee(self, payee: HolderAddress) -> None:
        self.chain.blocked_payees.add(payee)

    async def unblock_payee(self, payee: HolderAddress) -> None:
        self.chain.blocked_payees.remove(payee)

    async def pause(self) -> None:
        self.chain.paused = True

    async def announce(self, record_time: int, execution_time: int, per_token: Fraction | None) -> int:
        action_id = self.chain.announce(record_time, execution_time, per_token)
        self.chain.mine()
        return action_id

    async def set_rate(self, coupon_id: int, per_token: Fraction) -> None:
        self.chain.set_rate(coupon_id, per_token)
        self.chain.mine()

    async def cancel(self, action_id: int) -> None:
        self.chain.cancel(action_id)
        self.chain.mine()

    async def transfer(self, sender: HolderAddress, to: HolderAddress, amount: int) -> None:
        self.chain.transfer(sender, to, amount)
        self.chain.mine()

    async def freeze(self, holder: HolderAddress, amount: int) -> None:
        self.chain.freeze(holder, amount)
        self.chain.mine()

    async def list_holder(self, holder: HolderAddress) -> None:
        self.chain.list_holder(holder)

    async def unlist_holder(self, holder: HolderAddress) -> None:
        self.chain.unlist_holder(holder)

    async def revoke_redeemer_role(self) -> None:
        self.chain.has_redeemer_role = False

    async def mine(self, count: int = 1) -> None:
        self.chain.mine(count)

    async def advance_to(self, timestamp: int) -> None:
        self.chain.stand_at(timestamp)
        self.chain.mine()

    async def reorg(self, depth: int) -> None:
        self.chain.reorg(depth)

    async def set_base_fee(self, wei: int) -> None:
        self.chain.base_fee = wei


class NodeVenue:
    """anvil with the devnet contracts."""

    def __init__(self, stage: Stage, rpc: JsonRpc, account: LocalAccount, maturity_time: int = 0) -> None:
        self._devnet = stage.devnet
        self._stage = stage
        self.rail: SendingRail = SendingEvmRail(rpc, [LocalSigner(account)])
        self.contracts: Contracts = EvmContracts(rpc)
        self.signer = EvmAddress(account.address.lower())
        self.token, self.lifecycle, self.money = (
            EvmAddress(each.lower()) for each in (stage.token, stage.lifecycle, stage.payment_token)
        )
        self.maturity_time = maturity_time

    async def begin(self) -> None:
        issued = {to_checksum_address(each): balance for each, balance in BALANCES.items()}
        await self._devnet.issue(self._stage.token, issued)
        await self.ask("evm_setAutomine", False)

    async def end(self) -> None:
        await self.ask("anvil_dropAllTransactions")
        await self.ask("evm_setAutomine", True)

    async def ask(self, method: str, *parameters: object) -> None:
        answer: Any = await self._devnet.web3.provider.make_request(method, list(parameters))
        assert "error" not in answer, answer

    async def at_once(self, what: Awaitable[Any]) -> Any:
        """What sends transactions and waits until they are mined, which they are then."""
        await self.ask("evm_setAutomine", True)
        try:
            return await what
        finally:
            await self.ask("evm_setAutomine", False)

    async def deposit(self, amount: int) -> None:
        await self.at_once(self._stage.deposit(amount))
        await self.mine(2)

    async def block_payee(self, payee: HolderAddress) -> None:
        await self.at_once(self._devnet.block_payee(self._stage.payment_token, to_checksum_address(payee)))

    async def unblock_payee(self, payee: HolderAddress) -> None:
        await self.at_once(self._devnet.unblock_payee(self._stage.payment_token, to_checksum_address(payee)))

    async def pause(self) -> None:
        await self.at_once(self._stage.send("pause"))

    async def announce(self, record_time: int, execution_time: int, per_token: Fraction | None) -> int:
        token = self._stage.token
        if not self.maturity_time:
            assert per_token is not None
            # As many decimals as the token: what is due is rounded down to them first, holder by holder.
            amount = _scaled(per_token) * 10 ** (6 - _RATE_DECIMALS)
            dividend = Dividend(record_time, execution_time, amount, 6)
            return int(await self.at_once(self._devnet.set_dividend(token, dividend)))
        coupon = Coupon(
            record_date=record_time,
            execution_date=execution_time,
            start_date=record_time,
            end_date=record_time + _YEAR_SECONDS,
            fixing_date=record_time,
            rate=None if per_token is None else _scaled(per_token / PRINCIPAL),
            rate_decimals=_RATE_DECIMALS,
        )
        return int(await self.at_once(self._devnet.set_coupon(token, coupon)))

    async def set_rate(self, coupon_id: int, per_token: Fraction) -> None:
        rate = _scaled(per_token / PRINCIPAL)
        await self.at_once(self._devnet.set_coupon_rate(self._stage.token, coupon_id, rate, _RATE_DECIMALS))

    async def cancel(self, action_id: int) -> None:
        cancel = self._devnet.cancel_coupon if self.maturity_time else self._devnet.cancel_dividend
        await self.at_once(cancel(self._stage.token, action_id))

    async def transfer(self, sender: HolderAddress, to: HolderAddress, amount: int) -> None:
        source, target = to_checksum_address(sender), to_checksum_address(to)
        await self.at_once(self._devnet.transfer(self._stage.token, source, target, amount))

    async def freeze(self, holder: HolderAddress, amount: int) -> None:
        await self.at_once(self._devnet.freeze(self._stage.token, to_checksum_address(holder), amount))

    async def list_holder(self, holder: HolderAddress) -> None:
        await self.at_once(self._devnet.block_holder(self._stage.token, to_checksum_address(holder)))

    async def unlist_holder(self, holder: HolderAddress) -> None:
        await self.at_once(self._devnet.unblock_holder(self._stage.token, to_checksum_address(holder)))

    async def revoke_redeemer_role(self) -> None:
        roles = await self._devnet.roles_of(self._stage.token)
        await self.at_once(self._stage.change("revokeRole", roles.maturity_redeemer, self._stage.lifecycle))

    async def mine(self, count: int = 1) -> None:
        await self.ask("anvil_mine", hex(count))

    async def advance_to(self, timestamp: int) -> None:
        await self._devnet.advance_to(timestamp)

    async def reorg(self, depth: int) -> None:
        await self.ask("anvil_reorg", depth, [])

    async def set_base_fee(self, wei: int) -> None:
        await self.ask("anvil_setNextBlockBaseFeePerGas", hex(wei))


@asynccontextmanager
async def opened(venue: NodeVenue) -> AsyncIterator[NodeVenue]:
    """With the holders' tokens issued and blocks made by hand; ends as it was."""
    await venue.begin()
    try:
        yield venue
    finally:
        await venue.end()


async def bond_stage(
    stage: Stage, version: AssetVersion = DEFAULT_VERSION, artifact: LifecycleArtifact | None = None
) -> tuple[Stage, int]:
    """A bond in the place of the stage's equity, its lifecycle contract with all roles; and when it matures."""
    devnet, operator = stage.devnet, stage.operator
    now = await devnet.chain_time()
    value = _scaled(PRINCIPAL)
    terms = BondTerms(value, _RATE_DECIMALS, starting_date=now, maturity_date=now + SECONDS_TO_MATURITY)
    token = await devnet.deploy_bond_token("Acme Bond", "ACMB", "US0000000002", 6, terms, version)
    lifecycle: ChecksumAddress = await devnet.deploy_lifecycle_contract(
        token, stage.payment_token, operator, artifact
    )
    await devnet.grant_snapshot_role(token, operator)
    await devnet.grant_maturity_redeemer_role(token, lifecycle)
    made = Stage(devnet, token, stage.payment_token, lifecycle, operator, stage.stranger, BOND[version])
    return made, terms.maturity_date


def _scaled(value: Fraction) -> int:
    """As a contract takes it, with `_RATE_DECIMALS` decimals."""
    scaled = value * _RATE_SCALE
    assert scaled.denominator == 1, f"{value} has more than {_RATE_DECIMALS} decimals"
    return scaled.numerator


# ------------------------------------------------------------------------------------ what tests do


async def signed(
    venue: Venue, call: ContractCall, *, nonce: int | None = None, percent: int = 100, gas: int = GAS
) -> SignedTransaction:
    fees = first_fees(await venue.rail.fee_quote(), Wei(CAP))
    tip = fees.max_priority_fee_per_gas_wei or 0
    return await venue.rail.sign(
        venue.signer,
        call,
        chain_id=CHAIN_ID,
        nonce=Nonce(await venue.rail.nonce_at(venue.signer, None) if nonce is None else nonce),
        gas_limit=gas,
        fees=Fees(
            max_fee_per_gas_wei=Wei(fees.max_fee_per_gas_wei * percent // 100),
            max_priority_fee_per_gas_wei=Wei(tip * percent // 100),
        ),
    )


async def sent(venue: Venue, call: ContractCall, **changes: int) -> SignedTransaction:
    transaction = await signed(venue, call, **changes)
    assert (await venue.rail.broadcast(transaction.raw)).answer is BroadcastAnswer.ACCEPTED
    return transaction


async def mined(venue: Venue, transaction: SignedTransaction) -> Receipt:
    """Mines a block; a node does so in the background."""
    await venue.mine()
    async with asyncio.timeout(60):
        while True:
            receipt = await venue.rail.find_receipt(transaction.transaction_hash)
            if receipt is not None:
                return receipt
            await asyncio.sleep(0.02)


async def snapshot(venue: Venue) -> int:
    transaction = await sent(venue, venue.contracts.take_snapshot(venue.token))
    await mined(venue, transaction)
    snapshot_id = await venue.contracts.snapshot_id_in(transaction.transaction_hash, venue.token)
    assert snapshot_id
    return snapshot_id


def share(snapshot_id: int, payees: Sequence[HolderAddress], total: int = 1_000) -> Execution:
    """A call that pays shares of a total."""
    return execution_of(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, total, tuple(payees))


async def pay(venue: Venue, execution: Execution) -> tuple[Receipt, str]:
    """Sends an execution and mines it; its receipt and its hash."""
    transaction = await sent(venue, venue.contracts.pay_batch(venue.lifecycle, venue.token, execution))
    return await mined(venue, transaction), transaction.transaction_hash


async def evidence_of(venue: Venue, transaction_hash: str) -> ReceiptEvidence:
    return await venue.contracts.receipt_evidence(transaction_hash, venue.lifecycle, venue.money, venue.token)


async def balance(venue: Venue, account: str) -> int:
    return await venue.contracts.payment_token_balance(venue.money, EvmAddress(account))
