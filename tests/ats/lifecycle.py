"""Our lifecycle contract and payment token on a chain of the studio, as the payout's operator acts on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_typing import ChecksumAddress
from web3.contract import Contract

from deploy.ats.package import Artifact
from deploy.devnet.artifacts import (
    Creation,
    lifecycle_artifact_path,
    load_contract,
    load_lifecycle_artifact,
)
from deploy.devnet.roles import OPERATOR_ROLES
from tests.ats.asset import Asset
from tests.ats.chain import Chain


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a payout call returned, without the padding of its arrays; amounts are base units of money."""

    failed: list[ChecksumAddress]
    paid: dict[ChecksumAddress, int]
    gas: int


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """A lifecycle contract with all its roles given to one operator."""

    chain: Chain
    asset: Asset
    contract: Contract
    payment_token: Contract
    operator: ChecksumAddress

    @property
    def address(self) -> ChecksumAddress:
        """Where it is."""
        return self.contract.address

    def deposit(self, amount: int) -> None:
        """Create money on it."""
        self.chain.transact(self.payment_token, "mint", self.address, amount)

    def money_of(self, account: ChecksumAddress) -> int:
        """An account's balance of payment tokens."""
        return int(self.payment_token.functions.balanceOf(account).call())

    def pay(self, function: str, *arguments: Any) -> Outcome:
        """Run a payout call on the asset. Raises RevertedError."""
        receipt = self.chain.transact(
            self.contract, function, self.asset.address, *arguments, sender=self.operator
        )
        event = self.contract.events[function.removeprefix("execute").replace("Bond", "") + "Executed"]()
        (log,) = [event.process_log(raw) for raw in receipt["logs"] if raw["address"] == self.address]
        *_, failed, succeeded, amounts = log["args"].values()
        return Outcome(
            [holder for holder in failed if int(holder, 16)],
            {holder: amount for holder, amount in zip(succeeded, amounts, strict=True) if int(holder, 16)},
            receipt["gasUsed"],
        )

    def estimate(self, function: str, *arguments: Any) -> int:
        """The gas that a payout call needs by the node's estimate."""
        call = self.contract.functions[function](self.asset.address, *arguments)
        return int(call.estimate_gas({"from": self.operator}))


def deploy_payment_token(chain: Chain) -> Contract:
    """Deploy the devnet's payment token (6 decimals), owned by the admin."""
    compiled = load_contract("PaymentToken")
    artifact = Artifact(compiled.name, compiled.abi, compiled.bytecode, {})
    return chain.contract(chain.create(artifact, "Test Dollar", "TUSD", chain.admin), compiled.abi)


def deploy_lifecycle(chain: Chain, asset: Asset, payment_token: Contract, operator: ChecksumAddress) -> Lifecycle:
    """Deploy the lifecycle contract that imports deploy, behind its proxy; `operator` may also take snapshots."""
    artifact = load_lifecycle_artifact(lifecycle_artifact_path(asset.release.lifecycle_version))
    interface = chain.web3.eth.contract(abi=artifact.interface_abi)
    rbac = [(role, [operator]) for role in OPERATOR_ROLES]
    known: dict[str, Any] = {
        "${operator}": operator,
        "${initialize_call}": interface.encode_abi(
            "initialize", args=[asset.address, payment_token.address, rbac]
        ),
    }
    for creation in artifact.creations:
        known[f"${{{creation.name}}}"] = _create(chain, creation, known)
    address = known[f"${{{artifact.contract}}}"]
    asset.grant(asset.roles.snapshot, operator)
    return Lifecycle(chain, asset, chain.contract(address, artifact.interface_abi), payment_token, operator)


def _create(chain: Chain, creation: Creation, known: Mapping[str, Any]) -> ChecksumAddress:
    arguments = [known.get(argument, argument) for argument in creation.constructor_arguments]
    return chain.create(Artifact(creation.name, creation.abi, creation.bytecode, {}), *arguments)
