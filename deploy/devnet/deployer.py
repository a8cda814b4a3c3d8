"""Deploys and fills the embedded chain: payment token, security token, lifecycle contract, holders, money.

Only for the embedded chain, which is known by the hash of its genesis block: anything else is refused.
Transactions are sent from the node's own unlocked accounts, so no key is held, read or printed here.
Amounts are base units of the token named; gas money is wei.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from eth_typing import BlockNumber, ChecksumAddress, HexStr
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.contract import AsyncContract
from web3.exceptions import TransactionNotFound
from web3.types import RPCEndpoint, TxParams, TxReceipt, Wei

from deploy.devnet.artifacts import (
    DEFAULT_ARTIFACTS_DIR,
    Creation,
    LifecycleArtifact,
    load_contract,
    load_lifecycle_artifact,
)

DEFAULT_ADMIN_ROLE: Final = HexBytes("0x" + "00" * 32)
PAUSER_ROLE: Final = HexBytes("0x8943226357c41253cf6ffc651e04f2a3a7cf1255138972ce150e207c0393cbce")
PAYOUT_ROLE: Final = HexBytes("0x88ad01da1e5558735d5b478c04a0f1667377fb68a98cb0278159d0b790f08c10")
CASHOUT_ROLE: Final = HexBytes("0xe0d6eef1076057afbcdc5a0534cf7ab9071fa4fdd3750e202da3d49c8913a144")
TRANSFERER_ROLE: Final = HexBytes("0x4a16419d45be80f6de7609caac23eb8c7bfe6336a71da3cefd43ea62183ad211")
PAYMENT_TOKEN_MANAGER_ROLE: Final = HexBytes("0x15e92345f55818ea6e01143954b5841c1ba74302c2b157a2b4d0f21f9ad40286")
OPERATOR_ROLES: Final = (
    DEFAULT_ADMIN_ROLE,
    PAUSER_ROLE,
    PAYOUT_ROLE,
    CASHOUT_ROLE,
    TRANSFERER_ROLE,
    PAYMENT_TOKEN_MANAGER_ROLE,
)
SNAPSHOT_ROLE: Final = HexBytes("0x3fbb44760c0954eea3f6cb9f1f210568f5ae959dcbbef66e72f749dbaa7cc2da")

DEFAULT_RECEIPT_TIMEOUT_S: Final = 60.0
DEFAULT_GAS_MONEY: Final = Wei(100 * 10**18)
RECEIPT_POLL_S: Final = 0.02
REQUEST_TIMEOUT_S: Final = 30.0

# Above what one entry of a batch was measured to cost: 49,000 to issue to a new holder, 93,000 to issue to
# one after a snapshot, 25,000 to mint.
GAS_PER_BATCH_ENTRY: Final = 100_000
GAS_PER_BATCH: Final = 200_000
# Under the limit for one transaction of EIP-7825, which a node may impose.
MAX_TRANSACTION_GAS: Final = 16_000_000
# Batches sent before their receipts are awaited. Full blocks raise the base fee by an eighth each, so the fee
# offered leaves room for as many blocks as the batches may need, and the base fee is put back afterwards.
MAX_IN_FLIGHT: Final = 16
FEE_HEADROOM: Final = 20
PRIORITY_FEE: Final = Wei(10**9)


class DevnetError(Exception):
    """Something about the embedded chain is not as it must be."""


class NotTheEmbeddedChainError(DevnetError):
    """The node behind the URL is not the embedded chain; nothing was sent to it."""

    def __init__(self, expected: HexBytes, found: HexBytes) -> None:
        """Keep both genesis hashes."""
        super().__init__(
            f"refusing to act: the genesis block is {found.to_0x_hex()}, "
            f"the embedded chain's is {expected.to_0x_hex()}"
        )
        self.expected = expected
        self.found = found


class TransactionFailedError(DevnetError):
    """A transaction was mined, and reverted."""

    def __init__(self, transaction_hash: HexBytes) -> None:
        """Keep the hash."""
        super().__init__(f"transaction {transaction_hash.to_0x_hex()} reverted")
        self.transaction_hash = transaction_hash


class ReceiptTimeoutError(DevnetError):
    """A transaction was not mined in time; it still may be."""

    def __init__(self, transaction_hash: HexBytes, timeout_s: float) -> None:
        """Keep the hash and the seconds waited."""
        super().__init__(f"transaction {transaction_hash.to_0x_hex()} was not mined within {timeout_s} s")
        self.transaction_hash = transaction_hash
        self.timeout_s = timeout_s


class Devnet:
    """The embedded chain as its deployer sees it; use as an async context manager.

    One at a time may send from an account: anvil 1.7 drops a transaction for good if it still fits the
    block but the one numbered before it does not. Calls of one Devnet therefore wait for each other, and
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
        """Touch neither network nor files; `expected_genesis_hash` is what the chain's launcher recorded."""
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
        """Make sure of the chain."""
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

    # ------------------------------------------------------------------------------ deployments

    async def deploy_payment_token(self, name: str = "Devnet Dollar", symbol: str = "DUSD") -> ChecksumAddress:
        """Deploy a payment token (6 decimals), owned by the admin."""
        return await self._create(self._factory("PaymentToken"), [name, symbol, await self.admin()])

    async def deploy_equity_token(self, name: str, symbol: str, isin: str, decimals: int) -> ChecksumAddress:
        """Deploy an equity with no holders; the admin may issue, and grant its roles."""
        arguments = [name, symbol, isin, decimals, await self.admin()]
        return await self._create(self._factory("EquityToken"), arguments)

    async def deploy_lifecycle_contract(
        self,
        token: ChecksumAddress,
        payment_token: ChecksumAddress,
        operator: ChecksumAddress,
        artifact: LifecycleArtifact | None = None,
    ) -> ChecksumAddress:
        """Deploy a lifecycle contract behind its proxy, all six roles to `operator`; return the proxy.

        Raises ArtifactError if no artifact is given and the compiled one is missing, and DevnetError if an
        argument of the artifact names something unknown.
        """
        artifact = artifact or load_lifecycle_artifact(self._artifacts_dir / "lifecycle_artifact.json")
        interface = self.web3.eth.contract(abi=artifact.interface_abi)
        rbac = [(role, [operator]) for role in OPERATOR_ROLES]
        values: dict[str, str] = {
            "${operator}": operator,
            "${initialize_call}": _encode(interface, "initialize", [token, payment_token, rbac]),
        }
        for creation in artifact.creations:
            factory = self.web3.eth.contract(abi=creation.abi, bytecode=creation.bytecode)
            address = await self._create(factory, _resolve(creation, values))
            values[f"${{{creation.name}}}"] = address
        return to_checksum_address(values[f"${{{artifact.contract}}}"])

    # ------------------------------------------------------------------------------ security token

    async def issue(self, token: ChecksumAddress, amounts: Mapping[ChecksumAddress, int]) -> None:
        """Issue equity to many holders, in as many transactions as blocks require."""
        await self._send_batches("EquityToken", token, "issueBatch", list(amounts.items()))

    async def grant_snapshot_role(self, token: ChecksumAddress, account: ChecksumAddress) -> None:
        """Allow `account` to take snapshots of the equity. Reverts if it may already."""
        await self.transact("EquityToken", token, "grantRole", [SNAPSHOT_ROLE, account])

    async def take_snapshot(self, token: ChecksumAddress, sender: ChecksumAddress | None = None) -> int:
        """Take a snapshot as `sender` (the admin if none), who needs the role; return its id."""
        receipt = await self.transact("EquityToken", token, "takeSnapshot", [], sender=sender)
        (event,) = self.contract("EquityToken", token).events.SnapshotTaken().process_receipt(receipt)
        snapshot_id: int = event["args"]["snapshotID"]
        return snapshot_id

    # ------------------------------------------------------------------------------ payment token

    async def mint_payment_token(self, payment_token: ChecksumAddress, to: ChecksumAddress, amount: int) -> None:
        """Create payment tokens, for example as a deposit on a lifecycle contract."""
        await self.transact("PaymentToken", payment_token, "mint", [to, amount])

    async def mint_payment_tokens(
        self, payment_token: ChecksumAddress, amounts: Mapping[ChecksumAddress, int]
    ) -> None:
        """Create payment tokens for many accounts, in as many transactions as blocks require."""
        await self._send_batches("PaymentToken", payment_token, "mintBatch", list(amounts.items()))

    async def block_payee(self, payment_token: ChecksumAddress, account: ChecksumAddress) -> None:
        """Let the payment token refuse every transfer from or to `account`."""
        await self.transact("PaymentToken", payment_token, "blacklist", [account])

    async def unblock_payee(self, payment_token: ChecksumAddress, account: ChecksumAddress) -> None:
        """Take `account` off the block list."""
        await self.transact("PaymentToken", payment_token, "unBlacklist", [account])

    # ------------------------------------------------------------------------------ either token

    async def transfer(
        self, token: ChecksumAddress, sender: ChecksumAddress, to: ChecksumAddress, amount: int
    ) -> None:
        """Transfer equity or payment tokens of any account, which the node impersonates."""
        await self.transact("PaymentToken", token, "transfer", [to, amount], sender=sender)

    async def pause(self, token: ChecksumAddress) -> None:
        """Pause the equity or the payment token."""
        await self.transact("EquityToken", token, "pause", [])

    async def unpause(self, token: ChecksumAddress) -> None:
        """Unpause the equity or the payment token."""
        await self.transact("EquityToken", token, "unpause", [])

    # ------------------------------------------------------------------------------ accounts, anything else

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
            "data": _encode(self._factory(contract), function, arguments),
        }
        return await self._send_and_wait(call)

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
                        "data": _encode(self._factory(contract), function, columns),
                        "gas": gas,
                    }
                    _offer_fee(call, base_fee)
                    hashes.append(await self.web3.eth.send_transaction(call))
                for transaction_hash in hashes:
                    await self._wait(transaction_hash)
                await self._rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))

    async def _rpc(self, method: str, *parameters: str) -> None:
        response = await self.web3.provider.make_request(RPCEndpoint(method), parameters)
        if "error" in response:
            raise DevnetError(f"{method} failed: {response['error']}")


def _encode(contract: type[AsyncContract], function: str, arguments: Sequence[Any]) -> HexStr:
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


def _resolve(creation: Creation, values: Mapping[str, str]) -> list[str]:
    """Replace each `${...}` argument by its value. Raises DevnetError for a name unknown so far."""
    arguments = []
    for argument in creation.constructor_arguments:
        if argument.startswith("${") and argument not in values:
            raise DevnetError(f"creation {creation.name!r} needs {argument}, which is not known by then")
        arguments.append(values.get(argument, argument))
    return arguments


def seeded_holders(count: int, seed: int) -> list[tuple[ChecksumAddress, int]]:
    """Make up `count` distinct holders and their balances in base units, the same for the same seed.

    Balances are positive and very uneven: half lie under ten million, each doubling is half as frequent, up
    to 4096 times that, and a tenth are under 100, whose share of a payout may floor to nothing. Nobody has
    the keys of the addresses, which are hashes.
    """
    generator = random.Random(seed)
    return [(_holder_address(seed, index), _holder_balance(generator)) for index in range(count)]


def _holder_address(seed: int, index: int) -> ChecksumAddress:
    return to_checksum_address(keccak(text=f"mass-payout devnet holder {seed} {index}")[-20:])


def _holder_balance(generator: random.Random) -> int:
    if generator.randrange(10) == 0:
        return generator.randrange(1, 100)
    doublings = 13 - generator.randrange(1, 1 << 13).bit_length()
    return generator.randrange(1, 10_000_000) << doublings
