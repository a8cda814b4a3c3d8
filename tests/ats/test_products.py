"""What the studio deploys, and how tokens of the versions are told from each other."""

import pytest
from eth_utils.crypto import keccak
from web3.exceptions import ContractCustomError

from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, SUPPLY, TOKEN_TERMS, A, refused
from tests.ats.studio import ZERO_ADDRESS
from tests.integration.devnet.stage import error_data

SHARED_INTERFACE = (
    "getERC20Metadata()",
    "takeSnapshot()",
    "getTokenHoldersAtSnapshot(uint256,uint256,uint256)",
    "getTotalTokenHoldersAtSnapshot(uint256)",
    "totalSupplyAtSnapshot(uint256)",
    "balanceOfAtSnapshot(uint256,address)",
    "getSecurityHolders(uint256,uint256)",
    "getTotalSecurityHolders()",
    "triggerPendingScheduledCrossOrderedTasks()",
    "isInControlList(address)",
)
EQUITY_INTERFACE = (
    "getDividendAmountFor(uint256,address)",
    "getDividendHolders(uint256,uint256,uint256)",
    "getTotalDividendHolders(uint256)",
    "getDividendsCount()",
)
BOND_INTERFACE = (
    "getCoupon(uint256)",
    "getCouponFor(uint256,address)",
    "getCouponAmountFor(uint256,address)",
    "getCouponHolders(uint256,uint256,uint256)",
    "getTotalCouponHolders(uint256)",
    "getCouponCount()",
    "getPrincipalFor(address)",
    "fullRedeemAtMaturity(address)",
)


# Version 2 has none of version 8's, version 8 none of version 2's. Version 7 has version 8's dividends and version
# 2's pause and bond details (docs/asset-versions.md#functions-and-layouts).
ONLY_IN_VERSION_2 = (
    "setDividends((uint256,uint256,uint256,uint8))",
    "getDividends(uint256)",
    "getDividendsFor(uint256,address)",
    "setCoupon((uint256,uint256,uint256,uint8,uint256))",
    "getBondDetails()",
    "isPaused()",
)
ONLY_IN_VERSION_8 = (
    "setDividend((uint256,uint256,uint256,uint8))",
    "cancelDividend(uint256)",
    "getDividend(uint256)",
    "getDividendFor(uint256,address)",
    "setCoupon((uint256,uint256,uint256,uint256,uint256,uint256,uint8,uint8))",
    "cancelCoupon(uint256)",
    "getMaturityDate()",
    "getTotalBalanceFor(address)",
    "paused()",
)


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def answers(asset: Asset, signature: str) -> bool:
    """Whether the token's resolver knows the function."""
    return bool(asset.read("getFacetAddress", selector(signature)) != ZERO_ADDRESS)


def security_type(asset: Asset) -> int:
    terms, found = asset.read("getERC20Metadata")
    assert terms == (TOKEN_TERMS.name, TOKEN_TERMS.symbol, TOKEN_TERMS.isin, TOKEN_TERMS.decimals)
    return int(found)


def test_metadata_tells_the_products_apart(equity: Asset, bond: Asset) -> None:
    assert (security_type(bond), security_type(equity)) == (0, 1)


@pytest.mark.releases("8.0.0")
def test_metadata_of_a_bond_with_open_rates(kpi_bond: Asset) -> None:
    assert security_type(kpi_bond) == 3


def test_issued_tokens_are_held(equity: Asset) -> None:
    assert {holder: equity.balance_of(holder) for holder in equity.holders()} == AMOUNTS
    assert equity.read("totalSupply") == SUPPLY


def test_functions_that_the_services_and_the_lifecycle_contract_call_are_there(equity: Asset, bond: Asset) -> None:
    assert [each for each in SHARED_INTERFACE + EQUITY_INTERFACE if not answers(equity, each)] == []
    assert [each for each in SHARED_INTERFACE + BOND_INTERFACE if not answers(bond, each)] == []


def test_what_only_one_of_the_versions_answers(bond: Asset, equity: Asset) -> None:
    here: tuple[str, ...] = ONLY_IN_VERSION_2
    elsewhere: tuple[str, ...] = ONLY_IN_VERSION_8
    if bond.release.version == "8.0.0":
        here, elsewhere = elsewhere, here
    assert [each for each in here if not answers(bond, each) and not answers(equity, each)] == []
    assert [each for each in elsewhere if answers(bond, each) or answers(equity, each)] == []


def test_a_function_that_is_missing_reverts_with_its_selector(chain: Chain, bond: Asset) -> None:
    gone = selector("getBondDetails()" if bond.release.version == "8.0.0" else "getMaturityDate()")
    with pytest.raises(ContractCustomError) as caught:
        chain.web3.eth.call({"to": bond.address, "data": "0x" + gone.hex()})  # type: ignore[typeddict-item]
    assert caught.value.data == error_data("FunctionNotFound(bytes4)", gone)


def test_a_role_is_granted_once(equity: Asset) -> None:
    equity.grant(equity.roles.snapshot, A)
    assert equity.read("hasRole", equity.roles.snapshot, A)
    with refused("AccountAssignedToRole(bytes32,address)", equity.roles.snapshot, A):
        equity.grant(equity.roles.snapshot, A)
