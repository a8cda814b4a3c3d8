"""A local chain as its deployer sees it: transactions from any account, contract creations, time, rewinding."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from eth_typing import ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import TransactionNotFound
from web3.types import RPCEndpoint, TxParams, TxReceipt, Wei

from deploy.ats.package import Artifact
from deploy.devnet.artifacts import Abi
from tests.integration.devnet.stage import running_anvil

# Room for whatever is set up here; what is tested keeps within what Hedera gives a transaction.
BLOCK_GAS: Final = 1_000_000_000
CREATION_GAS: Final = 100_000_000
TRANSACTION_GAS: Final = 15_000_000
GAS_PRICE: Final = Wei(2_000_000_000)
GAS_MONEY: Final = 10**24
REQUEST_TIMEOUT_S: Final = 60.0
RECEIPT_TIMEOUT_S: Final = 60.0
RECEIPT_POLL_S: Final = 0.01


class RevertedError(Exception):
    """A transaction was mined and reverted; `data` is what it reverted with, as the node gives it."""

    def __init__(self, transaction_hash: HexBytes, data: str) -> None:
        """Keep both."""
        super().__init__(f"transaction {transaction_hash.to_0x_hex()} reverted with {data or 'nothing'}")
        self.transaction_hash = transaction_hash
        self.data = data


class Chain:
    """An anvil that acts for every account without its key (`--auto-impersonate`)."""

    def __init__(self, url: str) -> None:
        """Connect to the node."""
        self.url = url
        self._provider = HTTPProvider(url, request_kwargs={"timeout": REQUEST_TIMEOUT_S})
        self.web3 = Web3(self._provider)
        self.accounts: Sequence[ChecksumAddress] = list(self.web3.eth.accounts)
        self.admin = self.accounts[0]

    # ------------------------------------------------------------------------------ transactions

    def create(
        self, artifact: Artifact, *arguments: Any, libraries: Mapping[str, ChecksumAddress] | None = None
    ) -> ChecksumAddress:
        """Create a contract as the admin. Raises RevertedError, and KeyError for a library that is missing."""
        code = linked(artifact, libraries or {})
        constructor = self.web3.eth.contract(abi=artifact.abi, bytecode=code).constructor(*arguments)
        receipt = self.send(self.admin, {"data": constructor.data_in_transaction, "gas": CREATION_GAS})
        assert receipt["contractAddress"] is not None
        return receipt["contractAddress"]

    def transact(
        self,
        contract: Contract,
        function: str,
        *arguments: Any,
        sender: ChecksumAddress | None = None,
        gas: int = TRANSACTION_GAS,
    ) -> TxReceipt:
        """Call a function in a transaction of `sender` (the admin if none). Raises RevertedError."""
        data = contract.encode_abi(function, args=list(arguments))
        return self.send(sender or self.admin, {"to": contract.address, "data": data, "gas": gas})

    def send(self, sender: ChecksumAddress, call: TxParams) -> TxReceipt:
        """Send a transaction, whose gas money is given, and wait until it is mined. Raises RevertedError."""
        if self.web3.eth.get_balance(sender) < GAS_PRICE * call["gas"]:
            self.rpc("anvil_setBalance", sender, hex(GAS_MONEY))
        transaction_hash = self.web3.eth.send_transaction({**call, "from": sender, "gasPrice": GAS_PRICE})
        receipt = self._receipt(transaction_hash)
        if receipt["status"] != 1:
            raise RevertedError(transaction_hash, self._revert_data(transaction_hash))
        return receipt

    def contract(self, address: ChecksumAddress, abi: Abi) -> Contract:
        """The contract at an address."""
        return self.web3.eth.contract(address=address, abi=abi)

    # ------------------------------------------------------------------------------ time and state

    @property
    def now(self) -> int:
        """The last block's time, in seconds; calls at `latest` see it as theirs."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def advance_to(self, timestamp: int) -> None:
        """Mine a block at `timestamp` (seconds), which must lie after the last block's."""
        self.rpc("evm_setNextBlockTimestamp", timestamp)
        self.rpc("evm_mine")

    @contextmanager
    def rewound(self) -> Iterator[None]:
        """Undo at the end whatever happens in between, also to the clock."""
        mark = self.rpc("evm_snapshot")
        try:
            yield
        finally:
            assert self.rpc("evm_revert", mark) is True

    def rpc(self, method: str, *parameters: Any) -> Any:
        """Any JSON-RPC method's result; fails if the node answers with an error."""
        response = self.web3.provider.make_request(RPCEndpoint(method), parameters)
        assert "error" not in response, f"{method}: {response}"
        return response["result"]

    def rpc_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """The results of a method for each of many parameters, in one request; fails if one is an error."""
        asked = [(RPCEndpoint(method), list(each)) for each in parameters]
        responses = self._provider.make_batch_request(asked)
        assert isinstance(responses, list), f"{method}: {responses}"
        errors = [response for response in responses if "error" in response]
        assert not errors, f"{method}: {errors}"
        return [response["result"] for response in responses]

    def _receipt(self, transaction_hash: HexBytes) -> TxReceipt:
        deadline = time.monotonic() + RECEIPT_TIMEOUT_S
        while True:
            try:
                return self.web3.eth.get_transaction_receipt(transaction_hash)
            except TransactionNotFound:
                assert time.monotonic() < deadline, f"{transaction_hash.to_0x_hex()} is not mined"
                time.sleep(RECEIPT_POLL_S)

    def _revert_data(self, transaction_hash: HexBytes) -> str:
        trace = self.rpc("debug_traceTransaction", transaction_hash.to_0x_hex(), {"tracer": "callTracer"})
        return str(trace.get("output", ""))


@contextmanager
def running_chain() -> Iterator[Chain]:
    """An anvil of its own, stopped afterwards. Blocks are mined with their transaction.

    It knows the states of its newest 500 blocks. Older ones would go to the disk, each with all of the studio.
    """
    options = ("--auto-impersonate", "--disable-code-size-limit", "--gas-limit", str(BLOCK_GAS))
    with running_anvil(*options, "--hardfork", "cancun", "--max-persisted-states", "0") as node:
        yield Chain(node.url)


def linked(artifact: Artifact, libraries: Mapping[str, ChecksumAddress]) -> HexStr:
    """The bytecode with the libraries' addresses in their places. Raises KeyError for a missing one."""
    code = artifact.bytecode.removeprefix("0x")
    for library, offsets in artifact.links.items():
        address = libraries[library].removeprefix("0x").lower()
        for offset in offsets:
            start = 2 * offset
            code = code[:start] + address + code[start + len(address) :]
    return HexStr("0x" + code)
