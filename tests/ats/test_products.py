"""What the studio deploys, and how a token of version 8 is told from one of version 7."""

from typing import Any

import pytest
from eth_utils.crypto import keccak
from web3.exceptions import ContractCustomError

from tests.ats import roles
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
    "getTotalBalanceFor(address)",
    "isInControlList(address)",
    "paused()",
)
EQUITY_INTERFACE = (
    "setDividend((uint256,uint256,uint256,uint8))",
    "cancelDividend(uint256)",
    "getDividend(uint256)",
    "getDividendFor(uint256,address)",
    "getDividendAmountFor(uint256,address)",
    "getDividendHolders(uint256,uint256,uint256)",
    "getTotalDividendHolders(uint256)",
    "getDividendsCount()",
)
BOND_INTERFACE = (
    "setCoupon((uint256,uint256,uint256,uint256,uint256,uint256,uint8,uint8))",
    "cancelCoupon(uint256)",
    "getCoupon(uint256)",
    "getCouponFor(uint256,address)",
    "getCouponAmountFor(uint256,address)",
    "getCouponHolders(uint256,uint256,uint256)",
    "getTotalCouponHolders(uint256)",
    "getCouponCount()",
    "getMaturityDate()",
    "getPrincipalFor(address)",
    "fullRedeemAtMaturity(address)",
)


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def answers(asset: Asset, signature: str) -> bool:
    """Whether the token's resolver knows the function."""
    return bool(asset.read("getFacetAddress", selector(signature)) != ZERO_ADDRESS)


def test_metadata_tells_the_products_apart(equity: Asset, bond: Asset, kpi_bond: Asset) -> None:
    terms = TOKEN_TERMS
    for asset, security_type in ((bond, 0), (equity, 1), (kpi_bond, 3)):
        metadata: Any = asset.read("getERC20Metadata")
        assert metadata == ((terms.name, terms.symbol, terms.isin, terms.decimals), security_type)


def test_issued_tokens_are_held(equity: Asset) -> None:
    assert {holder: equity.balance_of(holder) for holder in equity.holders()} == AMOUNTS
    assert equity.read("totalSupply") == SUPPLY


def test_functions_that_the_services_and_the_lifecycle_contract_call_are_there(equity: Asset, bond: Asset) -> None:
    assert [each for each in SHARED_INTERFACE + EQUITY_INTERFACE if not answers(equity, each)] == []
    assert [each for each in SHARED_INTERFACE + BOND_INTERFACE if not answers(bond, each)] == []


def test_what_version_7_answered_and_version_8_does_not(bond: Asset, equity: Asset) -> None:
    assert not answers(bond, "getBondDetails()")
    assert not answers(bond, "isPaused()")
    assert not answers(equity, "getMaturityDate()")


def test_a_function_that_is_missing_reverts_with_its_selector(chain: Chain, bond: Asset) -> None:
    gone = selector("getBondDetails()")
    with pytest.raises(ContractCustomError) as caught:
        chain.web3.eth.call({"to": bond.address, "data": "0x" + gone.hex()})  # type: ignore[typeddict-item]
    assert caught.value.data == error_data("FunctionNotFound(bytes4)", gone)


def test_a_role_is_granted_once(equity: Asset) -> None:
    equity.grant(roles.SNAPSHOT, A)
    assert equity.read("hasRole", roles.SNAPSHOT, A)
    with refused("AccountAssignedToRole(bytes32,address)", roles.SNAPSHOT, A):
        equity.grant(roles.SNAPSHOT, A)
