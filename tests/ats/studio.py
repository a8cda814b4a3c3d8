"""Deploys the studio: resolver, facets, configurations and factory; then tokens, as an issuer would.

Both releases know the same parts. They differ in names, in how much a call takes, and in the factory, which is a
contract of its own in version 2 and a facet behind a proxy in version 8 (release.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, cast

from eth_typing import ABIElement, ChecksumAddress
from eth_utils.abi import abi_to_signature
from eth_utils.address import to_checksum_address
from web3.contract import Contract
from web3.logs import DISCARD

from deploy.ats.package import Artifact, configuration_facets, load_artifact
from deploy.devnet.artifacts import Abi
from tests.ats.asset import Asset
from tests.ats.chain import CREATION_GAS, Chain
from tests.ats.release import Release

ZERO_ADDRESS: Final = to_checksum_address("0x" + "00" * 20)
# As the studio's own deployment does it by default.
FACETS_PER_CALL: Final = 15
# Units of the token; the studio refuses 0 for "no cap".
MAX_SUPPLY: Final = 2**128
CURRENCY: Final = b"USD"
COMMON_DIVIDEND: Final = 2
KPI_LINKED_SECURITY_TYPE: Final = 3
KPI_LINKED_RATE_TYPE: Final = 3
MAX_FACETS: Final = 150
REPORT_PERIOD: Final = 1_000
# Rates with two decimals: highest, base, lowest, start of the period, rate before it, penalty for no report,
# seconds before the fixing date in which a report counts, decimals.
BASE_RATE: Final = 5
KPI_INTEREST_RATE: Final = (8, BASE_RATE, 2, 0, 4, 1, REPORT_PERIOD, 2)
# Reported values: at or above the first the rate is the highest, at the second the base, at or below the third
# the lowest; decimals of the values, and of the interpolation between them.
KPI_IMPACT_DATA: Final = (2_000, 1_000, 500, 0, 2)
REGULATION_S: Final = (1, 0, (True, "", ""))


class Product(IntEnum):
    """What the resolver composes tokens of; the numbers are its configurations' ids."""

    EQUITY = 1
    BOND = 2
    KPI_LINKED_BOND = 4
    FACTORY = 8

    @property
    def script(self) -> str:
        """The package's name for it."""
        return {Product.EQUITY: "equity", Product.BOND: "bond", Product.KPI_LINKED_BOND: "bondKpiLinkedRate"}[self]

    @property
    def configuration_id(self) -> bytes:
        """Its configuration's id on the resolver."""
        return self.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """What every token has; the nominal value is `nominal_value` / 10^`nominal_value_decimals` a whole token."""

    name: str
    symbol: str
    isin: str
    decimals: int
    nominal_value: int
    nominal_value_decimals: int


@dataclass(frozen=True, slots=True)
class Studio:
    """A deployed studio. Tokens have a blacklist, one partition, no KYC, no clearing, no external lists.

    `token_abis` are the interfaces of its tokens, put together from the facets of each product.
    """

    chain: Chain
    release: Release
    package: Path
    resolver: Contract
    factory: Contract
    token_abis: Mapping[Product, Abi]

    def deploy_equity(self, terms: TokenTerms) -> Asset:
        """Deploy an equity, its admin's roles being ADMINISTRATION. Raises RevertedError for a bad ISIN."""
        no_rights = (False,) * 7
        details = (*no_rights, COMMON_DIVIDEND, CURRENCY, terms.nominal_value, terms.nominal_value_decimals)
        security = self._security(Product.EQUITY, terms)
        return self._deploy(Product.EQUITY, "deployEquity", "EquityDeployed", (security, details))

    def deploy_bond(self, terms: TokenTerms, *, starts: int, matures: int) -> Asset:
        """Deploy a bond of variable rate: each coupon's rate is given when the coupon is announced.

        Dates are seconds since the epoch, the maturity in the future.
        """
        details = (CURRENCY, terms.nominal_value, terms.nominal_value_decimals, starts, matures)
        security = self._security(Product.BOND, terms)
        return self._deploy(Product.BOND, "deployBond", "BondDeployed", (security, details, [], []))

    def deploy_kpi_linked_bond(self, terms: TokenTerms, *, matures: int, project: ChecksumAddress) -> Asset:
        """Deploy a bond whose coupons' rates stay open until their fixing dates; version 8 has such.

        They follow what was reported of `project` (`addKpiData`) in the REPORT_PERIOD before the fixing date;
        without a report a penalty is added to the rate before. The published factory has no function for such
        a bond, so its facets are initialised one by one here, as the factory does it for the others.
        """
        product = Product.KPI_LINKED_BOND
        receipt = self.chain.transact(
            self.factory, "deployProxy", self.resolver.address, product.configuration_id, 1, self._rbacs(), b""
        )
        (event,) = self.factory.events["ProxyDeployed"]().process_receipt(receipt, errors=DISCARD)
        address = to_checksum_address(event["args"]["proxyAddress"])
        metadata = (terms.name, terms.symbol, terms.isin, terms.decimals)
        given: dict[str, tuple[Any, ...]] = {
            "initializeCore": ((metadata, KPI_LINKED_SECURITY_TYPE),),
            "initializeControlList": (False,),
            "initializePartitions": (False,),
            "initializeController": (True,),
            "initializeCap": (MAX_SUPPLY, ()),
            "initializeProtectedPartitions": (False,),
            "initializeClearing": (False,),
            "initializeExternalPauses": ((),),
            "initializeExternalControlLists": ((),),
            "initializeInternalKyc": (False,),
            "initializeExternalKycLists": ((),),
            "initializeERC20Votes": (False,),
            "initializeCompliance": (ZERO_ADDRESS,),
            "initializeIdentity": (ZERO_ADDRESS,),
            "initializeProceedRecipients": ((project,), (b"",)),
            "initializeNominalValue": (terms.nominal_value, terms.nominal_value_decimals, CURRENCY),
            "initializeMaturity": (matures,),
            "initializeKpiLinkedRate": (KPI_INTEREST_RATE, KPI_IMPACT_DATA),
            "initializeInterestRateType": (KPI_LINKED_RATE_TYPE,),
            "initializeInitializer": (MAX_FACETS,),
        }
        for name in configuration_facets(self.package, product.script):
            facet = self.chain.contract(address, load_artifact(self.package, name).abi)
            for function in facet.abi:
                if function["type"] == "function" and function["name"].startswith("initialize"):
                    self.chain.transact(facet, function["name"], *given.get(function["name"], ()))
        bond = self._asset(product, address)
        bond.send("setOperationalStatus")
        return bond

    def _asset(self, product: Product, address: ChecksumAddress) -> Asset:
        return Asset(self.chain, self.chain.contract(address, self.token_abis[product]), self.release)

    def _security(self, product: Product, terms: TokenTerms) -> dict[str, Any]:
        return {
            "resolver": self.resolver.address,
            "maxSupply": MAX_SUPPLY,
            "resolverProxyConfiguration": (product.configuration_id, 1),
            "erc20MetadataInfo": (terms.name, terms.symbol, terms.isin, terms.decimals),
            "rbacs": self._rbacs(),
            "externalPauses": [],
            "externalControlLists": [],
            "externalKycLists": [],
            "compliance": ZERO_ADDRESS,
            "identityRegistry": ZERO_ADDRESS,
            "arePartitionsProtected": False,
            "isMultiPartition": False,
            "isControllable": True,
            "isWhiteList": False,
            "clearingActive": False,
            "internalKycActivated": False,
            "erc20VotesActivated": False,
        }

    def _rbacs(self) -> list[tuple[bytes, list[ChecksumAddress]]]:
        return [(role, [self.chain.admin]) for role in self.release.roles.administration]

    def _deploy(self, product: Product, function: str, event: str, data: tuple[Any, ...]) -> Asset:
        receipt = self.chain.transact(self.factory, function, data, REGULATION_S)
        (log,) = [
            found
            for found in self.factory.events[event]().process_receipt(receipt, errors=DISCARD)
            if found["address"] == self.factory.address
        ]
        # The deployer, the new token, and all that was given.
        _, address, *_ = log["args"].values()
        return self._asset(product, to_checksum_address(address))


def deploy_studio(chain: Chain, release: Release, package: Path) -> Studio:
    """Deploy resolver, libraries, the facets of every product, their configurations, and the factory."""
    resolver_artifact = load_artifact(package, "BusinessLogicResolver")
    resolver = chain.contract(chain.create(resolver_artifact), resolver_artifact.abi)
    chain.transact(resolver, release.initialize_resolver)

    products = [
        product
        for product in (Product.EQUITY, Product.BOND, Product.KPI_LINKED_BOND)
        if release.has_open_rates or product is not Product.KPI_LINKED_BOND
    ]
    composition = {product: configuration_facets(package, product.script) for product in products}
    if release.factory_is_facet:
        composition[Product.FACTORY] = (release.factory,)
    facets = {name: load_artifact(package, name) for names in composition.values() for name in names}
    keys = _register(chain, release, resolver, facets, _deploy_libraries(chain, package, facets.values()))
    for product, names in composition.items():
        _configure(chain, release, resolver, product, [keys[name] for name in names])

    factory_artifact = load_artifact(package, release.factory)
    if release.factory_is_facet:
        proxy = load_artifact(package, "ResolverProxy")
        factory = chain.create(proxy, resolver.address, Product.FACTORY.configuration_id, 1, [])
    else:
        factory = chain.create(factory_artifact)
    token_abis = {product: _merged([facets[name].abi for name in composition[product]]) for product in products}
    return Studio(chain, release, package, resolver, chain.contract(factory, factory_artifact.abi), token_abis)


def _merged(abis: Iterable[Abi]) -> Abi:
    """Every function, event and error that one of these has, once."""
    entries = {
        (entry["type"], abi_to_signature(cast(ABIElement, entry))): entry
        for abi in abis
        for entry in abi
        if entry["type"] in ("function", "event", "error")
    }
    return list(entries.values())


def _deploy_libraries(chain: Chain, package: Path, users: Iterable[Artifact]) -> Mapping[str, ChecksumAddress]:
    """Deploy what `users` link to, and what that links to, each after what it needs itself."""
    deployed: dict[str, ChecksumAddress] = {}

    def deploy(name: str) -> None:
        if name in deployed:
            return
        library = load_artifact(package, name)
        for needed in library.links:
            deploy(needed)
        deployed[name] = chain.create(library, libraries=deployed)

    for user in users:
        for library in user.links:
            deploy(library)
    return deployed


def _register(
    chain: Chain,
    release: Release,
    resolver: Contract,
    facets: Mapping[str, Artifact],
    libraries: Mapping[str, ChecksumAddress],
) -> Mapping[str, bytes]:
    """Create each facet and make it known to the resolver; return the facets' keys by their names."""
    keys: dict[str, bytes] = {}
    entries: list[tuple[bytes, ChecksumAddress]] = []
    for name, artifact in facets.items():
        address = chain.create(artifact, libraries=libraries)
        keys[name] = chain.contract(address, artifact.abi).functions.getStaticResolverKey().call()
        entries.append((keys[name], address))
    page = len(entries) if release.registers_facets_at_once else FACETS_PER_CALL
    for start in range(0, len(entries), page):
        chain.transact(resolver, "registerBusinessLogics", entries[start : start + page], gas=CREATION_GAS)
    return keys


def _configure(chain: Chain, release: Release, resolver: Contract, product: Product, keys: list[bytes]) -> None:
    for start in range(0, len(keys), FACETS_PER_CALL):
        end = start + FACETS_PER_CALL
        chain.transact(
            resolver,
            "createBatchConfiguration",
            product.configuration_id,
            [(key, 1) for key in keys[start:end]],
            end >= len(keys),
            *release.configuration_tail,
            gas=CREATION_GAS,
        )
