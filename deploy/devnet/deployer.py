"""Deploys tokens and lifecycle contracts on the embedded chain, and fills them with holders and money.

Only for the embedded chain (see node.py). Amounts are base units of the token named; gas money is wei.
"""

from __future__ import annotations

from collections.abc import Mapping

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from deploy.devnet.artifacts import (
    Creation,
    LifecycleArtifact,
    lifecycle_artifact_path,
    load_lifecycle_artifact,
)
from deploy.devnet.holders import seeded_holders
from deploy.devnet.node import DevnetError, NotTheEmbeddedChainError, encode_call
from deploy.devnet.roles import OPERATOR_ROLES
from deploy.devnet.securities import BOND, EQUITY, SECURITY, SecurityTokens
from deploy.devnet.terms import DEFAULT_VERSION, AssetVersion, BondTerms

__all__ = ["Devnet", "DevnetError", "NotTheEmbeddedChainError", "seeded_holders"]

PAYMENT_TOKEN = "PaymentToken"


class Devnet(SecurityTokens):
    """Deploys contracts on the embedded chain and fills them. Use it as an async context manager.

    The verbs on security tokens stand in SecurityTokens, what any contract needs in DevnetNode.
    """

    # ------------------------------------------------------------------------------ deployments

    async def deploy_payment_token(self, name: str = "Devnet Dollar", symbol: str = "DUSD") -> ChecksumAddress:
        """Deploy a payment token (6 decimals), owned by the admin."""
        return await self._create(self._factory(PAYMENT_TOKEN), [name, symbol, await self.admin()])

    async def deploy_equity_token(
        self,
        name: str,
        symbol: str,
        isin: str,
        decimals: int,
        version: AssetVersion = DEFAULT_VERSION,
    ) -> ChecksumAddress:
        """Deploy an equity with no holders; the admin may issue, and grant its roles."""
        arguments = [name, symbol, isin, decimals, await self.admin()]
        return await self._create(self._factory(EQUITY[version]), arguments)

    async def deploy_bond_token(
        self,
        name: str,
        symbol: str,
        isin: str,
        decimals: int,
        terms: BondTerms,
        version: AssetVersion = DEFAULT_VERSION,
    ) -> ChecksumAddress:
        """Deploy a bond with no holders; the admin may issue, and grant its roles."""
        arguments = [name, symbol, isin, decimals, await self.admin(), terms.security_type, terms.as_tuple()]
        return await self._create(self._factory(BOND[version]), arguments)

    async def deploy_lifecycle_contract(
        self,
        token: ChecksumAddress,
        payment_token: ChecksumAddress,
        operator: ChecksumAddress,
        artifact: LifecycleArtifact | None = None,
    ) -> ChecksumAddress:
        """Deploy a lifecycle contract behind its proxy, all six roles to `operator`; return the proxy.

        Without an artifact it is the one for the token's version: nobody has published one that can redeem
        bonds of version 8. Raises ArtifactError if no artifact is given and the compiled one is missing, and
        DevnetError if an argument of the artifact names something unknown.
        """
        if artifact is None:
            version = await self.version_of(token)
            artifact = load_lifecycle_artifact(lifecycle_artifact_path(version, self._artifacts_dir))
        interface = self.web3.eth.contract(abi=artifact.interface_abi)
        rbac = [(role, [operator]) for role in OPERATOR_ROLES]
        values: dict[str, str] = {
            "${operator}": operator,
            "${initialize_call}": encode_call(interface, "initialize", [token, payment_token, rbac]),
        }
        for creation in artifact.creations:
            factory = self.web3.eth.contract(abi=creation.abi, bytecode=creation.bytecode)
            address = await self._create(factory, _resolve(creation, values))
            values[f"${{{creation.name}}}"] = address
        return to_checksum_address(values[f"${{{artifact.contract}}}"])

    async def deploy_calls_in_one(self) -> ChecksumAddress:
        """Deploy a contract that makes several calls in one transaction, in its own name."""
        return await self._create(self._factory("CallsInOne"), [])

    # ------------------------------------------------------------------------------ payment token

    async def mint_payment_token(self, payment_token: ChecksumAddress, to: ChecksumAddress, amount: int) -> None:
        """Create payment tokens, for example as a deposit on a lifecycle contract."""
        await self.transact(PAYMENT_TOKEN, payment_token, "mint", [to, amount])

    async def mint_payment_tokens(
        self, payment_token: ChecksumAddress, amounts: Mapping[ChecksumAddress, int]
    ) -> None:
        """Create payment tokens for many accounts, in as many transactions as blocks require."""
        await self._send_batches(PAYMENT_TOKEN, payment_token, "mintBatch", list(amounts.items()))

    async def block_payee(self, payment_token: ChecksumAddress, account: ChecksumAddress) -> None:
        """Let the payment token refuse every transfer from or to `account`."""
        await self.transact(PAYMENT_TOKEN, payment_token, "blacklist", [account])

    async def unblock_payee(self, payment_token: ChecksumAddress, account: ChecksumAddress) -> None:
        """Take `account` off the block list."""
        await self.transact(PAYMENT_TOKEN, payment_token, "unBlacklist", [account])

    # ------------------------------------------------------------------------------ either token

    async def transfer(
        self, token: ChecksumAddress, sender: ChecksumAddress, to: ChecksumAddress, amount: int
    ) -> None:
        """Transfer security or payment tokens of any account, which the node impersonates."""
        await self.transact(PAYMENT_TOKEN, token, "transfer", [to, amount], sender=sender)

    async def pause(self, token: ChecksumAddress) -> None:
        """Pause the security or the payment token."""
        await self.transact(SECURITY, token, "pause", [])

    async def unpause(self, token: ChecksumAddress) -> None:
        """Unpause the security or the payment token."""
        await self.transact(SECURITY, token, "unpause", [])


def _resolve(creation: Creation, values: Mapping[str, str]) -> list[str]:
    """Replace each `${...}` argument by its value. Raises DevnetError for a name unknown so far."""
    arguments = []
    for argument in creation.constructor_arguments:
        if argument.startswith("${") and argument not in values:
            raise DevnetError(f"creation {creation.name!r} needs {argument}, which is not known by then")
        arguments.append(values.get(argument, argument))
    return arguments
