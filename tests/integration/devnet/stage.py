"""What the devnet tests act with: an embedded node, and a deployed asset with its lifecycle contract."""

import queue
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.contract import AsyncContract
from web3.exceptions import ContractCustomError, ContractPanicError
from web3.types import TxReceipt

from deploy.devnet.artifacts import REPOSITORY_ROOT
from deploy.devnet.deployer import Devnet
from deploy.devnet.securities import BOND, EQUITY
from deploy.devnet.terms import AssetVersion, BondTerms

ANVIL_PATTERN = "node_modules/@foundry-rs/anvil-*/bin/anvil"
CHAIN_ID = 298
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
DAY = 24 * 60 * 60
YEAR = 365 * DAY

ZERO_ADDRESS = to_checksum_address("0x" + "00" * 20)
BASE = 0x854679A93CEBFD89E2D5A20FDC0F646E935C518A098CEA2E09FBCD5137772703
PAID_DISTRIBUTIONS = 2
PAID_SNAPSHOTS = 3


@dataclass(frozen=True)
class Node:
    """A running anvil."""

    url: str
    genesis_hash: str


@contextmanager
def running_anvil(*options: str) -> Iterator[Node]:
    """Start anvil on a free loopback port; stop it afterwards. Fails if it is not up within a bound."""
    (anvil,) = REPOSITORY_ROOT.glob(ANVIL_PATTERN)
    command = [str(anvil), "--port", "0", "--chain-id", str(CHAIN_ID), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    addresses: queue.Queue[str | None] = queue.Queue()

    def drain() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.match(r"Listening on (\S+)", line):
                addresses.put(match[1])
        addresses.put(None)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        address = addresses.get(timeout=START_TIMEOUT_S)
        assert address is not None, "anvil ended without listening"
        url = f"http://{address}"
        provider = HTTPProvider(url)
        genesis = Web3(provider).eth.get_block(0)
        yield Node(url, genesis["hash"].to_0x_hex())
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=STOP_TIMEOUT_S)
        reader.join(timeout=STOP_TIMEOUT_S)
        assert process.stdout is not None
        process.stdout.close()


@dataclass(frozen=True)
class Outcome:
    """What a payout call returned, which its event repeated."""

    failed: list[ChecksumAddress]
    succeeded: list[ChecksumAddress]
    paid: list[int]
    executed: bool | None


def error_data(signature: str, *arguments: object) -> str:
    """The revert data of a custom error whose arguments have elementary types."""
    types = signature[signature.index("(") + 1 : -1]
    data = keccak(text=signature)[:4] + encode(types.split(",") if types else [], arguments)
    return "0x" + data.hex()


def padded(values: Sequence[Any], length: int, filler: object) -> list[Any]:
    """`values` filled up with `filler`, as the contract's arrays are."""
    return [*values, *[filler] * (length - len(values))]


@dataclass(frozen=True)
class Stage:
    """One asset, one payment token, and the lifecycle contract between them, with all roles to one operator."""

    devnet: Devnet
    token: ChecksumAddress
    payment_token: ChecksumAddress
    lifecycle: ChecksumAddress
    operator: ChecksumAddress
    stranger: ChecksumAddress
    token_contract: str = EQUITY[AssetVersion.VERSION_7]

    def contract(self, name: str, address: ChecksumAddress) -> AsyncContract:
        return self.devnet.contract(name, address)

    async def read(self, name: str, address: ChecksumAddress, function: str, *arguments: object) -> Any:
        """Call a function of any contract, as the operator."""
        call = self.contract(name, address).functions[function](*arguments)
        return await call.call({"from": self.operator})

    async def asset(self, function: str, *arguments: object) -> Any:
        return await self.read(self.token_contract, self.token, function, *arguments)

    async def money_of(self, account: ChecksumAddress) -> int:
        """Balance of payment tokens, in base units."""
        balance: int = await self.read("PaymentToken", self.payment_token, "balanceOf", account)
        return balance

    async def deposit(self, amount: int) -> None:
        await self.devnet.mint_payment_token(self.payment_token, self.lifecycle, amount)

    async def change(self, function: str, *arguments: object, sender: ChecksumAddress | None = None) -> TxReceipt:
        """Send a transaction to the asset, as its admin if no sender is given."""
        return await self.devnet.transact(self.token_contract, self.token, function, arguments, sender=sender)

    async def pass_time(self, seconds: int) -> int:
        """Mine a block so much later; return its timestamp."""
        timestamp = await self.devnet.chain_time() + seconds
        await self.devnet.advance_to(timestamp)
        return timestamp

    async def snapshot(self) -> int:
        return await self.devnet.take_snapshot(self.token, self.operator)

    async def send(self, function: str, *arguments: object, sender: ChecksumAddress | None = None) -> TxReceipt:
        """Send a transaction to the lifecycle contract, as the operator if no sender is given."""
        return await self.devnet.transact(
            "LifeCycleCashFlow", self.lifecycle, function, arguments, sender=sender or self.operator
        )

    async def events(self, receipt: TxReceipt, name: str) -> list[dict[str, Any]]:
        """Arguments of the receipt's logs that are this event and come from the lifecycle contract."""
        return self._events("LifeCycleCashFlow", self.lifecycle, receipt, name)

    def asset_events(self, receipt: TxReceipt, name: str) -> list[dict[str, Any]]:
        """Arguments of the receipt's logs that are this event and come from the asset."""
        return self._events(self.token_contract, self.token, receipt, name)

    def told(self, receipt: TxReceipt) -> list[tuple[str, dict[str, Any]]]:
        """Every log of the asset in the receipt, in order: the event's name and its arguments.

        Fails for one that the asset's version does not have in that layout.
        """
        contract = self.contract(self.token_contract, self.token)
        names = [entry["name"] for entry in contract.abi if entry["type"] == "event"]
        events = {HexBytes(event.topic): event for event in (contract.events[name]() for name in names)}
        logs = [log for log in receipt["logs"] if log["address"] == self.token]
        decoded = [events[log["topics"][0]].process_log(log) for log in logs]
        return [(log["event"], dict(log["args"])) for log in decoded]

    def _events(
        self, contract: str, address: ChecksumAddress, receipt: TxReceipt, name: str
    ) -> list[dict[str, Any]]:
        event = self.contract(contract, address).events[name]()
        topic = HexBytes(event.topic)
        return [
            dict(event.process_log(log)["args"])
            for log in receipt["logs"]
            if log["address"] == address and log["topics"][0] == topic
        ]

    async def pay(self, function: str, *arguments: Any) -> Outcome:
        """Run a payout call on the stage's asset; see that its event says what it returned."""
        call = self.contract("LifeCycleCashFlow", self.lifecycle).functions[function](self.token, *arguments)
        returned = await call.call({"from": self.operator})
        receipt = await self.send(function, self.token, *arguments)

        name = function.removeprefix("execute").removeprefix("Bond") + "Executed"
        (event,) = await self.events(receipt, name)
        values = list(event.values())
        assert values[: len(arguments)] == list(arguments)
        assert values[len(arguments) :] == list(returned[:3])
        failed, succeeded, paid, *executed = returned
        return Outcome(failed, succeeded, paid, executed[0] if executed else None)

    async def is_paid(self, identifier: int, holder: ChecksumAddress, kind: int = PAID_SNAPSHOTS) -> bool:
        """The paid flag of a snapshot or distribution, from where it lies (docs/facts-contracts.md#paid-flags)."""
        inner = keccak(encode(["uint256", "uint256"], [identifier, BASE + kind]))
        slot = keccak(encode(["address", "bytes32"], [holder, inner]))
        word = await self.devnet.web3.eth.get_storage_at(self.lifecycle, int.from_bytes(slot, "big"))
        assert int.from_bytes(word, "big") in (0, 1)
        return bool(int.from_bytes(word, "big"))

    async def revert_of(
        self,
        function: str,
        *arguments: object,
        sender: ChecksumAddress | None = None,
        contract: str = "LifeCycleCashFlow",
        address: ChecksumAddress | None = None,
    ) -> str:
        """The custom error's data with which the call reverts; fails if it does not."""
        call = self.contract(contract, address or self.lifecycle).functions[function](*arguments)
        with pytest.raises(ContractCustomError) as caught:
            await call.call({"from": sender or self.operator})
        assert isinstance(caught.value.data, str)
        return caught.value.data

    async def asset_revert_of(
        self, function: str, *arguments: object, sender: ChecksumAddress | None = None
    ) -> str:
        """As revert_of, of a call to the asset by its admin if no sender is given."""
        return await self.revert_of(
            function,
            *arguments,
            sender=sender or await self.devnet.admin(),
            contract=self.token_contract,
            address=self.token,
        )

    async def panic_of(self, name: str, address: ChecksumAddress, function: str, *arguments: object) -> str:
        """The code, as web3 words it, of the panic in which a call by the operator ends."""
        with pytest.raises(ContractPanicError) as caught:
            await self.read(name, address, function, *arguments)
        return str(caught.value)


async def equity_stage(devnet: Devnet, version: AssetVersion = AssetVersion.VERSION_7) -> Stage:
    """An asset without holders and a lifecycle contract without money."""
    _, operator, stranger, *_ = list(await devnet.web3.eth.accounts)
    payment_token = await devnet.deploy_payment_token()
    token = await devnet.deploy_equity_token("Acme Shares", "ACME", "US0000000001", 6, version)
    lifecycle = await devnet.deploy_lifecycle_contract(token, payment_token, operator)
    await devnet.grant_snapshot_role(token, operator)
    return Stage(devnet, token, payment_token, lifecycle, operator, stranger, EQUITY[version])


async def stage_of_a_bond(
    devnet: Devnet, version: AssetVersion = AssetVersion.VERSION_7, decimals: int = 0, **terms: Any
) -> Stage:
    """A bond of 1,000.00 a unit, unless `terms` say else, that its lifecycle contract may redeem in a year."""
    _, operator, stranger, *_ = list(await devnet.web3.eth.accounts)
    payment_token = await devnet.deploy_payment_token()
    now = await devnet.chain_time()
    usual = {"nominal_value": 100_000, "nominal_value_decimals": 2, "maturity_date": now + YEAR}
    of_bond = BondTerms(**(usual | {"starting_date": now} | terms))
    token = await devnet.deploy_bond_token("Acme Bond", "ACMB", "US0000000002", decimals, of_bond, version)
    lifecycle = await devnet.deploy_lifecycle_contract(token, payment_token, operator)
    await devnet.grant_snapshot_role(token, operator)
    await devnet.grant_maturity_redeemer_role(token, lifecycle)
    return Stage(devnet, token, payment_token, lifecycle, operator, stranger, BOND[version])
