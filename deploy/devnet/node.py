"""Sends transactions to the embedded chain, after making sure that it is the embedded chain.

Only for the embedded chain, which is known by the hash of its genesis block: anything else is refused.
Transactions are sent from the node's own unlocked accounts, so no key is held, read or printed here.
Gas money is wei.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from eth_typing import BlockNumber, ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.contract import AsyncContract
from web3.exceptions import TransactionNotFound
from web3.types import RPCEndpoint, TxParams, TxReceipt, Wei

from deploy.devnet.artifacts import DEFAULT_ARTIFACTS_DIR, load_contract

DEFAULT_RECEIPT_TIMEOUT_S: Final = 60.0
DEFAULT_GAS_MONEY: Final = Wei(100 * 10**18)
RECEIPT_POLL_S: Final = 0.02
REQUEST_TIMEOUT_S: Final = 30.0

# Above what one entry of a batch was measured to cost: 56,000 to issue to a new holder, 103,000 to issue to
# one after a snapshot, 26,000 to mint.
GAS_PER_BATCH_ENTRY: Final = 110_000
GAS_PER_BATCH: Final = 200_000
# Under the limit for one transaction of EIP-7825, which a node may impose.
MAX_TRANSACTION_GAS: Final = 16_000_000
# Batches sent before their receipts are awaited. Full blocks raise the base fee by an eighth each, so the fee
# offered leaves room for as many blocks as the batches may need, and the base fee is put back afterwards.
MAX_IN_FLIGHT: Final = 16
FEE_HEADROOM: Final = 20
PRIORITY_FEE: Final = Wei(10**9)


class DevnetError(Exception):
    """Something about the embedded chain is wrong."""


class NotTheEmbeddedChainError(DevnetError):
    """The node at the URL is not the embedded chain. Nothing was sent to it."""

    def __init__(self, expected: HexBytes, found: HexBytes) -> None:
        """Keep both genesis hashes."""
        super().__init__(
            f"refusing to act: the genesis block is {found.to_0x_hex()}, "
            f"the embedded chain's is {expected.to_0x_hex()}"
        )
        self.expected = expected
        self.found = found


class TransactionFailedError(DevnetError):
    """A transaction was mined and reverted."""

    def __init__(self, transaction_hash: HexBytes) -> None:
        """Keep the hash."""
        super().__init__(f"transaction {transaction_hash.to_0x_hex()} reverted")
        self.transaction_hash = transaction_hash


class ReceiptTimeoutError(DevnetError):
    """A transaction was not mined in time. It still may be."""

    def __init__(self, transaction_hash: HexBytes, timeout_s: float) -> None:
        """Keep the hash and the seconds waited."""
        super().__init__(f"transaction {transaction_hash.to_0x_hex()} was not mined within {timeout_s} s")
        self.transaction_hash = transaction_hash
        self.timeout_s = timeout_s


class DevnetNode:
    """A node of the embedded chain. Use it as an async context manager.

    One at a time may send from an account: anvil 1.7 drops a transaction for good if it still fits the
    block but the one numbered before it does not. Calls of one object therefore wait for each other, and
    transactions of one run all carry the same gas limit.

    Every method first makes sure that the chain is the embedded one (NotTheEmbeddedChainError) and returns
    once its transactions are mined. All raise TransactionFailedError and ReceiptTimeoutError, and web3's
    own errors (ContractLogicError where the node foresees the revert).
    """

    def __init__(
        self,
        rpc_url: str,
        *,
        expected_genesis_hash: str,
        artifacts_dir: Path = DEFAULT_ARTIFACTS_DIR,
        receipt_timeout_s: float = DEFAULT_RECEIPT_TIMEOUT_S,
    ) -> None:
        """Touch neither network nor files. `expected_genesis_hash` is what the chain's launcher recorded."""
        provider = AsyncHTTPProvider(rpc_url, request_kwargs={"timeout": REQUEST_TIMEOUT_S})
        self.web3: AsyncWeb3[AsyncHTTPProvider] = AsyncWeb3(provider)
        self._expected_genesis_hash = HexBytes(expected_genesis_hash)
        self._artifacts_dir = artifacts_dir
        self._receipt_timeout_s = receipt_timeout_s
        self._admin: ChecksumAddress | None = None
        self._block_gas_limit = 0
        self._sending = asyncio.Lock()
        self._factories: dict[str, type[AsyncContract]] = {}

    async def __aenter__(self) -> Self:
        """Check that the node is the embedded chain."""
        try:
            await self.admin()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections to the node."""
        await self.web3.provider.disconnect()

    async def admin(self) -> ChecksumAddress:
        """Return the account that deploys and owns the tokens: the node's first unlocked one."""
        if self._admin is None:
            genesis = await self.web3.eth.get_block(BlockNumber(0))
            if genesis["hash"] != self._expected_genesis_hash:
                raise NotTheEmbeddedChainError(self._expected_genesis_hash, genesis["hash"])
            self._block_gas_limit = genesis["gasLimit"]
            accounts = await self.web3.eth.accounts
            if not accounts:
                raise DevnetError("the node has no unlocked account")
            self._admin = accounts[0]
        return self._admin

    # ------------------------------------------------------------------------------ accounts, anything

    async def fund_gas(self, account: ChecksumAddress, amount: Wei = DEFAULT_GAS_MONEY) -> None:
        """Set an account's gas money to `amount` wei; takes effect at once, without a transaction."""
        await self.admin()
        await self._rpc("anvil_setBalance", account, hex(amount))

    def contract(self, name: str, address: ChecksumAddress) -> AsyncContract:
        """Return the compiled contract at an address, for reads. Raises ArtifactError if it is missing."""
        return self._factory(name)(address=address)

    async def transact(
        self,
        contract: str,
        address: ChecksumAddress,
        function: str,
        arguments: Sequence[Any],
        *,
        sender: ChecksumAddress | None = None,
    ) -> TxReceipt:
        """Call a function of the compiled `contract` at `address` in a transaction; return its receipt.

        The sender is the admin, or any account: its gas is paid for and it is impersonated. Raises
        web3's ContractLogicError, with nothing sent, if the call would revert.
        """
        admin = await self.admin()
        if sender is not None and sender != admin:
            await self.fund_gas(sender)
            await self._rpc("anvil_impersonateAccount", sender)
        call: TxParams = {
            "from": sender or admin,
            "to": address,
            "data": encode_call(self._factory(contract), function, arguments),
        }
        return await self._send_and_wait(call)

    # ------------------------------------------------------------------------------ time

    async def chain_time(self) -> int:
        """The newest block's timestamp, in seconds since 1970."""
        return (await self.web3.eth.get_block("latest"))["timestamp"]

    async def advance_to(self, timestamp: int) -> None:
        """Mine a block with this timestamp (seconds since 1970), which must lie after the newest block's.

        Raises DevnetError if the node refuses.
        """
        await self.admin()
        await self._rpc("evm_setNextBlockTimestamp", timestamp)
        await self._rpc("evm_mine")

    # ------------------------------------------------------------------------------ internals

    def _factory(self, name: str) -> type[AsyncContract]:
        """Build the contract's class once; web3 takes ten milliseconds for it."""
        if name not in self._factories:
            artifact = load_contract(name, self._artifacts_dir)
            self._factories[name] = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        return self._factories[name]

    async def _create(self, factory: type[AsyncContract], arguments: Sequence[Any]) -> ChecksumAddress:
        sender = await self.admin()
        constructor = factory.constructor(*arguments)
        receipt = await self._send_and_wait({"from": sender, "data": constructor.data_in_transaction})
        address = receipt["contractAddress"]
        if address is None:
            raise DevnetError("a contract creation's receipt has no address")
        return address

    async def _send_and_wait(self, call: TxParams) -> TxReceipt:
        async with self._sending:
            # The state that the transaction meets may differ a little from the one estimated against.
            estimate = await self.web3.eth.estimate_gas(call)
            call["gas"] = min(estimate + estimate // 5, self._block_gas_limit)
            _offer_fee(call, await self._base_fee())
            return await self._wait(await self.web3.eth.send_transaction(call))

    async def _base_fee(self) -> Wei:
        return (await self.web3.eth.get_block("latest"))["baseFeePerGas"]

    async def _wait(self, transaction_hash: HexBytes) -> TxReceipt:
        try:
            async with asyncio.timeout(self._receipt_timeout_s):
                receipt = await self._poll_receipt(transaction_hash)
        except TimeoutError as error:
            raise ReceiptTimeoutError(transaction_hash, self._receipt_timeout_s) from error
        if receipt["status"] != 1:
            raise TransactionFailedError(transaction_hash)
        return receipt

    async def _poll_receipt(self, transaction_hash: HexBytes) -> TxReceipt:
        while True:
            try:
                return await self.web3.eth.get_transaction_receipt(transaction_hash)
            except TransactionNotFound:
                await asyncio.sleep(RECEIPT_POLL_S)

    async def _send_batches(
        self,
        contract: str,
        address: ChecksumAddress,
        function: str,
        entries: Sequence[tuple[ChecksumAddress, int]],
    ) -> None:
        """Send a window of transactions without waiting between them, see that all succeeded, go on."""
        sender = await self.admin()
        gas = min(self._block_gas_limit, MAX_TRANSACTION_GAS)
        batches = list(_batches(entries, gas))
        async with self._sending:
            base_fee = await self._base_fee()
            for start in range(0, len(batches), MAX_IN_FLIGHT):
                hashes = []
                for batch in batches[start : start + MAX_IN_FLIGHT]:
                    columns = [list(column) for column in zip(*batch, strict=True)]
                    call: TxParams = {
                        "from": sender,
                        "to": address,
                        "data": encode_call(self._factory(contract), function, columns),
                        "gas": gas,
                    }
                    _offer_fee(call, base_fee)
                    hashes.append(await self.web3.eth.send_transaction(call))
                for transaction_hash in hashes:
                    await self._wait(transaction_hash)
                await self._rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))

    async def _rpc(self, method: str, *parameters: Any) -> Any:
        response = await self.web3.provider.make_request(RPCEndpoint(method), parameters)
        if "error" in response:
            raise DevnetError(f"{method} failed: {response['error']}")
        return response["result"]


def encode_call(contract: type[AsyncContract], function: str, arguments: Sequence[Any]) -> HexStr:
    """Return the data of a call of `function`."""
    data: HexStr = contract.encode_abi(function, args=list(arguments))
    return data


def _offer_fee(call: TxParams, base_fee: Wei) -> None:
    call["maxFeePerGas"] = Wei(base_fee * FEE_HEADROOM + PRIORITY_FEE)
    call["maxPriorityFeePerGas"] = PRIORITY_FEE


def _batches(
    entries: Sequence[tuple[ChecksumAddress, int]], transaction_gas: int
) -> Iterable[Sequence[tuple[ChecksumAddress, int]]]:
    size = (transaction_gas - GAS_PER_BATCH) // GAS_PER_BATCH_ENTRY
    if size < 1:
        raise DevnetError(f"a transaction of {transaction_gas} gas is too small for a batch of one")
    for start in range(0, len(entries), size):
        yield entries[start : start + size]
