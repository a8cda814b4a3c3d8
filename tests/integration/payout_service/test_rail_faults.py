"""The rail on a real node, through a proxy that fails as networks and relays do."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3.types import RPCEndpoint

from deploy.devnet.deployer import Devnet
from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce, Wei
from libs.evm.rpc import JsonRpc, RpcUnavailableError
from payout_service.application.ports.rail import Receipt
from payout_service.application.ports.sender import BroadcastAnswer
from payout_service.domain.fees import Fees, first_fees, replacement_fees
from payout_service.domain.transaction import NO_OP_GAS, SignedTransaction, no_op
from payout_service.infrastructure.chain.rail import FeeModel
from payout_service.infrastructure.chain.signer import LocalSigner
from tests.integration.devnet.stage import Node
from tests.support.payout.contracts import SendingEvmRail
from tests.support.rpc_proxy import SEND, RpcProxy

CAP = 10**13
CHAIN_ID = 298
# A bound: it costs time only when something fails.
LONG_SECONDS = 60


@pytest.fixture
def proxy(node: Node) -> Iterator[RpcProxy]:
    made = RpcProxy(node.url)
    made.start()
    yield made
    made.stop()


@pytest_asyncio.fixture
async def through_proxy(proxy: RpcProxy) -> AsyncIterator[JsonRpc]:
    opened = JsonRpc(proxy.url, timeout_seconds=LONG_SECONDS)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def signers(devnet: Devnet, account: LocalAccount) -> tuple[LocalSigner, ...]:
    """Two, with gas money."""
    second: LocalAccount = Account.create()
    for each in (account, second):
        await devnet.fund_gas(each.address)
    return LocalSigner(account), LocalSigner(second)


@pytest.fixture
def rail(through_proxy: JsonRpc, signers: tuple[LocalSigner, ...]) -> SendingEvmRail:
    return SendingEvmRail(through_proxy, signers)


@pytest_asyncio.fixture
async def stopped_mining(devnet: Devnet) -> AsyncIterator[None]:
    """Blocks are made only by `mine`."""
    await devnet.web3.provider.make_request(RPCEndpoint("evm_setAutomine"), [False])
    yield
    await devnet.web3.provider.make_request(RPCEndpoint("anvil_mine"), ["0x1"])
    await devnet.web3.provider.make_request(RPCEndpoint("evm_setAutomine"), [True])


async def mine(devnet: Devnet) -> None:
    await devnet.web3.provider.make_request(RPCEndpoint("anvil_mine"), ["0x1"])


async def signed(
    rail: SendingEvmRail, signer: LocalSigner, nonce: int, fees: Fees | None = None
) -> SignedTransaction:
    """A no-op. Gas does not matter to what is shown here."""
    offered = fees or first_fees(await rail.fee_quote(), Wei(CAP))
    return await rail.sign(
        signer.address,
        no_op(signer.address),
        chain_id=CHAIN_ID,
        nonce=Nonce(nonce),
        gas_limit=NO_OP_GAS,
        fees=offered,
    )


async def mined(rail: SendingEvmRail, transaction: SignedTransaction) -> Receipt:
    async with asyncio.timeout(LONG_SECONDS):
        while True:
            receipt = await rail.find_receipt(transaction.transaction_hash)
            if receipt is not None:
                return receipt
            await asyncio.sleep(0.02)


async def test_a_swallowed_reply_is_unknown_and_the_transaction_is_mined(
    rail: SendingEvmRail, signers: tuple[LocalSigner, ...], proxy: RpcProxy
) -> None:
    transaction = await signed(rail, signers[0], 0)
    proxy.swallow_replies(SEND, times=1)
    with pytest.raises(RpcUnavailableError):
        await rail.broadcast(transaction.raw)
    assert (proxy.count(SEND), proxy.swallowed(SEND)) == (1, 1)
    assert (await mined(rail, transaction)).succeeded
    again = await rail.broadcast(transaction.raw)
    assert again.answer in (BroadcastAnswer.NONCE_USED, BroadcastAnswer.ALREADY_KNOWN)


async def test_a_relay_refuses_a_gap_and_takes_what_comes_in_turn(
    rail: SendingEvmRail, signers: tuple[LocalSigner, ...], proxy: RpcProxy
) -> None:
    proxy.refuse_nonce_gaps()
    legacy = Fees(
        max_fee_per_gas_wei=Wei((await rail.fee_quote()).gas_price_wei * 2), max_priority_fee_per_gas_wei=None
    )
    for signer, fees in zip(signers, (None, legacy), strict=True):
        first, second = await signed(rail, signer, 0, fees), await signed(rail, signer, 1, fees)
        refused = await rail.broadcast(second.raw)
        assert refused.answer is BroadcastAnswer.NONCE_GAP
        assert refused.message == "Nonce too high. Provided nonce: 1, current nonce: 0"
        for transaction in (first, second):
            assert (await rail.broadcast(transaction.raw)).answer is BroadcastAnswer.ACCEPTED
            assert (await mined(rail, transaction)).succeeded


@pytest.mark.usefixtures("stopped_mining")
async def test_a_replacement_must_pay_more_and_is_then_mined(
    rail: SendingEvmRail, signers: tuple[LocalSigner, ...], devnet: Devnet
) -> None:
    signer = signers[0]
    fees = first_fees(await rail.fee_quote(), Wei(CAP))
    first = await signed(rail, signer, 0, fees)
    assert (await rail.broadcast(first.raw)).answer is BroadcastAnswer.ACCEPTED
    too_cheap = await signed(rail, signer, 0, replace(fees, max_fee_per_gas_wei=Wei(fees.max_fee_per_gas_wei - 1)))
    assert (await rail.broadcast(too_cheap.raw)).answer is BroadcastAnswer.FEE_TOO_LOW
    better = await signed(rail, signer, 0, replacement_fees(fees, await rail.fee_quote(), Wei(CAP)))
    assert (await rail.broadcast(better.raw)).answer is BroadcastAnswer.ACCEPTED
    await mine(devnet)
    assert (await mined(rail, better)).succeeded
    assert await rail.find_receipt(first.transaction_hash) is None
    found = await rail.transaction_with_nonce(signer.address, Nonce(0))
    assert found
    assert found.transaction_hash == better.transaction_hash


async def test_less_than_the_base_fee_is_too_little(
    rail: SendingEvmRail, signers: tuple[LocalSigner, ...]
) -> None:
    cheap = await signed(
        rail, signers[0], 0, Fees(max_fee_per_gas_wei=Wei(1), max_priority_fee_per_gas_wei=Wei(1))
    )
    assert (await rail.broadcast(cheap.raw)).answer is BroadcastAnswer.FEE_TOO_LOW


async def test_more_gas_than_a_block_holds_never_fits(
    rail: SendingEvmRail, signers: tuple[LocalSigner, ...]
) -> None:
    fees = first_fees(await rail.fee_quote(), Wei(CAP))
    signer = signers[0].address
    for gas_limit in (10**9, 20_000):
        odd = await rail.sign(
            signer, no_op(signer), chain_id=CHAIN_ID, nonce=Nonce(0), gas_limit=gas_limit, fees=fees
        )
        result = await rail.broadcast(odd.raw)
        assert result.answer is BroadcastAnswer.NEVER_FITS, result.message


async def test_legacy_transactions_are_mined_and_found_by_their_nonces(
    through_proxy: JsonRpc, signers: tuple[LocalSigner, ...]
) -> None:
    rail = SendingEvmRail(through_proxy, signers, fee_model=FeeModel.LEGACY)
    transactions = []
    for nonce in range(3):
        for signer in signers:
            transactions.append((signer.address, nonce, await signed(rail, signer, nonce)))
            assert transactions[-1][2].raw[0] >= 0xC0
            assert (await rail.broadcast(transactions[-1][2].raw)).answer is BroadcastAnswer.ACCEPTED
            await mined(rail, transactions[-1][2])
    for signer_address, nonce, transaction in transactions:
        found = await rail.transaction_with_nonce(signer_address, Nonce(nonce))
        assert found
        assert (found.transaction_hash, found.succeeded) == (transaction.transaction_hash, True)
        assert found.call == no_op(signer_address)
    for signer in signers:
        assert await rail.transaction_with_nonce(signer.address, Nonce(3)) is None
    assert await rail.transaction_with_nonce(EvmAddress("0x" + "12" * 20), Nonce(0)) is None


async def test_an_absent_node_is_unavailable_and_comes_back(rail: SendingEvmRail, proxy: RpcProxy) -> None:
    for refuse_connections in (False, True):
        proxy.go_away(refuse_connections=refuse_connections)
        with pytest.raises(RpcUnavailableError):
            await rail.head()
        proxy.come_back()
        await rail.head()


async def test_too_many_requests_hold_the_next_ones_back(rail: SendingEvmRail, proxy: RpcProxy) -> None:
    proxy.answer_too_many_requests(times=1, retry_after_seconds=1)
    with pytest.raises(RpcUnavailableError, match="429"):
        await rail.head()
    await asyncio.gather(*(rail.head() for _ in range(3)))
    refused, *later = proxy.requests("eth_getBlockByNumber")
    assert len(later) == 3
    assert all(each.seconds - refused.seconds >= 0.95 for each in later)


async def test_the_proxy_delays_only_what_it_is_told(
    rail: SendingEvmRail, signers: tuple[LocalSigner, ...], proxy: RpcProxy
) -> None:
    loop = asyncio.get_running_loop()
    proxy.delay(0.5, "eth_chainId", times=1)
    start = loop.time()
    await rail.chain_id()
    assert loop.time() - start >= 0.5
    # Held until it is healed: the other answer comes before it, however slow the machine is.
    proxy.delay(LONG_SECONDS, "eth_getTransactionCount", times=1)
    asking = asyncio.create_task(rail.nonce_at(signers[0].address, None))
    async with asyncio.timeout(LONG_SECONDS):
        while True:
            if proxy.count("eth_getTransactionCount"):
                break
            await asyncio.sleep(0.01)
    await rail.head()
    assert not asking.done()
    proxy.heal()
    assert await asking == 0
    proxy.swallow_replies()
    with pytest.raises(RpcUnavailableError):
        await rail.head()
    proxy.heal()
    await rail.head()


async def test_the_proxy_goes_on_while_the_event_loop_is_busy(rail: SendingEvmRail, proxy: RpcProxy) -> None:
    """Another process's request is answered although nothing awaits here."""
    answers: list[int] = []

    def ask() -> None:
        async def chain_id() -> int:
            rpc = JsonRpc(proxy.url, timeout_seconds=LONG_SECONDS)
            try:
                return await rpc.chain_id()
            finally:
                await rpc.close()

        answers.append(asyncio.run(chain_id()))

    other = threading.Thread(target=ask)
    other.start()
    # Blocks the event loop: that is the point.
    other.join(timeout=LONG_SECONDS)
    assert answers == [CHAIN_ID]
