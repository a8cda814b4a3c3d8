"""The devnet contracts and our own ABI fragments speak the published interface, hash for hash
(docs/facts-contracts.md#interface).

Which role each function asks for is shown on a chain (tests/integration/devnet).

Nothing may drift unseen: what a contract has beyond the table, and what the table has beyond the contracts,
is named in lists here.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from deploy.devnet import roles
from deploy.devnet.artifacts import Abi, compile_contracts, load_contract
from deploy.devnet.terms import AssetVersion
from libs.evm import interfaces
from libs.evm.abi import ContractError, Event, Function

FIXTURE = Path(__file__).parents[1] / "fixtures" / "onchain_interface.json"

VERSIONS = (7, 8)
KINDS = {"functions": "function", "events": "event", "errors": "error"}
Key = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """One function, event or error; what is None is unknown and not compared."""

    kind: str
    signature: str
    identifier: str
    outputs: tuple[str, ...] | None = None
    indexed: tuple[bool, ...] | None = None

    @property
    def key(self) -> Key:
        return self.kind, self.signature


def identifier(kind: str, signature: str) -> str:
    """Selector or error id (4 bytes), or topic0 (32), as 0x-prefixed hex."""
    digest = keccak(text=signature)
    return "0x" + (digest if kind == "event" else digest[:4]).hex()


def canonical_type(parameter: dict[str, Any]) -> str:
    """An ABI parameter's type with its tuples written out."""
    if not parameter["type"].startswith("tuple"):
        return str(parameter["type"])
    inner = ",".join(canonical_type(component) for component in parameter["components"])
    return f"({inner}){parameter['type'].removeprefix('tuple')}"


def entries_of_abi(abi: Abi) -> list[Entry]:
    """Entries of a compiled ABI, without its constructor, fallback and receive."""
    entries = []
    for item in abi:
        kind = item["type"]
        if kind not in KINDS.values():
            continue
        signature = f"{item['name']}({','.join(canonical_type(each) for each in item['inputs'])})"
        outputs = tuple(canonical_type(each) for each in item["outputs"]) if kind == "function" else None
        indexed = tuple(each["indexed"] for each in item["inputs"]) if kind == "event" else None
        entries.append(Entry(kind, signature, identifier(kind, signature), outputs, indexed))
    return entries


def entries_of_fragments(fragments: Iterable[object]) -> list[Entry]:
    """Entries of libs.evm fragments; other values are passed over."""
    entries = []
    for fragment in fragments:
        match fragment:
            case Function():
                selector = "0x" + fragment.selector.hex()
                entries.append(Entry("function", fragment.signature, selector, outputs=fragment.outputs))
            case Event():
                topic = "0x" + fragment.topic.hex()
                entries.append(Entry("event", fragment.signature, topic, indexed=fragment.indexed))
            case ContractError():
                entries.append(Entry("error", fragment.signature, "0x" + fragment.selector.hex()))
    return entries


def own_fragments() -> list[object]:
    """Our fragments but those of version 2 alone, and the events of version 8.

    Their table is the published interface (tests/ats/test_events.py).
    """
    return [
        value
        for name, value in vars(interfaces).items()
        if not name.endswith("_V2") and not (isinstance(value, Event) and name.endswith("_V8"))
    ]


def differences(entries: Sequence[Entry], table: dict[Key, Entry], extras: set[str]) -> list[str]:
    """What of `entries` contradicts the table, or stands neither there nor among the `extras`."""
    found = []
    for entry in entries:
        expected = table.get(entry.key)
        if expected is None:
            if entry.signature not in extras:
                found.append(f"{entry.kind} {entry.signature} is neither in the table nor a named extra")
            continue
        for what in ("identifier", "outputs", "indexed"):
            ours, theirs = getattr(entry, what), getattr(expected, what)
            if ours is not None and theirs is not None and ours != theirs:
                found.append(f"{entry.kind} {entry.signature}: {what} {ours}, the table has {theirs}")
    return found


def load_fixture() -> dict[str, Any]:
    fixture: dict[str, Any] = json.loads(FIXTURE.read_text(encoding="utf-8"))
    return fixture


def table_of(*sections: str, version: int = 7) -> dict[Key, Entry]:
    """The fixture's sections by kind and signature, as the version of the asset has them."""
    fixture = load_fixture()
    table = {}
    for section in sections:
        for plural, kind in KINDS.items():
            for raw in fixture[section][plural]:
                if version not in raw.get("versions", VERSIONS):
                    continue
                entry = Entry(
                    kind,
                    raw["signature"],
                    raw.get("selector") or raw.get("topic0") or raw["id"],
                    tuple(raw["outputs"]) if "outputs" in raw else None,
                    tuple(raw["indexed"]) if "indexed" in raw else None,
                )
                assert entry.key not in table, f"{entry.key} stands twice in the fixture"
                table[entry.key] = entry
    return table


# Of the security tokens, ours alone.
SECURITY_EXTRAS = {
    "issue(address,uint256)",
    "issueBatch(address[],uint256[])",
    "redeem(uint256)",
    "issueByPartition((bytes32,address,uint256,bytes))",
    "transferByPartition(bytes32,(address,uint256),bytes)",
    "redeemByPartition(bytes32,uint256,bytes)",
    "balanceOfByPartition(bytes32,address)",
    "assetVersion()",
    "freezePartialTokens(address,uint256)",
    "unfreezePartialTokens(address,uint256)",
    "getFrozenTokens(address)",
    "lock(uint256,address,uint256)",
    "release(uint256,address)",
    "getLockedAmountFor(address)",
    "adjustBalances(uint256,uint8)",
    "addToControlList(address)",
    "removeFromControlList(address)",
    "isInControlList(address)",
    "setGasBurn(uint8,uint256)",
    "gasBurn(uint8)",
    "RoleRevoked(address,address,bytes32)",
    "LockedByPartition(address,address,bytes32,uint256,uint256,uint256)",
    "LockByPartitionReleased(address,address,bytes32,uint256)",
    "TokensUnfrozen(address,uint256,bytes32)",
    "AddedToControlList(address,address)",
    "RemovedFromControlList(address,address)",
    "AmountTooLarge(uint256)",
    "FactorIsZero()",
    "InsufficientAllowance(address,uint256,uint256)",
    "InsufficientBalance(address,uint256,uint256,bytes32)",
    "InsufficientFrozenBalance(address,uint256,uint256,bytes32)",
    "InvalidPartition(address,bytes32)",
    "LengthsDiffer(uint256,uint256)",
    "ListedAccount(address)",
    "UnlistedAccount(address)",
    "LockExpirationNotReached()",
    "WrongLockId()",
    "ZeroAddress()",
}

VERSION_7_EXTRAS = {
    "TokenPaused(address)",
    "TokenUnpaused(address)",
    "TokenIsUnpaused()",
    "setListFollowsFreeTokens(bool)",
}
VERSION_8_EXTRAS = {"paused()", "Paused(address)", "Unpaused(address)", "IsUnpaused()", "InvalidTimestamp()"}
EQUITY_EXTRAS = {"DividendCreationFailed()", "DividendAlreadyExecuted(bytes32,uint256)"}
BOND_EXTRAS = {
    "cancelCoupon(uint256)",
    "setRate(uint256,uint256,uint8)",
    "RateSet(uint256,address,uint256,uint8)",
    "CouponCreationFailed()",
    "CouponAlreadyExecuted(bytes32,uint256)",
    "RateIsSet(uint256)",
}

# Ours alone. An extra that the table learns about must leave these lists.
EXTRAS = {
    "LifeCycleCashFlow": {"RoleRevoked(address,address,bytes32)"},
    "LifeCycleCashFlowVersion8": {"RoleRevoked(address,address,bytes32)"},
    "EquityToken": SECURITY_EXTRAS | EQUITY_EXTRAS | VERSION_7_EXTRAS,
    "EquityTokenVersion8": SECURITY_EXTRAS | EQUITY_EXTRAS | VERSION_8_EXTRAS,
    "BondToken": SECURITY_EXTRAS
    | BOND_EXTRAS
    | VERSION_7_EXTRAS
    | {"BondMaturityDateWrong()", "burnsLikePackage2()", "setBurnsLikePackage2(bool)"},
    "BondTokenVersion8": SECURITY_EXTRAS | BOND_EXTRAS | VERSION_8_EXTRAS | {"MaturityDateInvalid()"},
    "PaymentToken": {
        "owner()",
        "pause()",
        "unpause()",
        "paused()",
        "isBlacklisted(address)",
        "blacklist(address)",
        "unBlacklist(address)",
        "mint(address,uint256)",
        "mintBatch(address[],uint256[])",
        "Blacklisted(address)",
        "UnBlacklisted(address)",
        "Pause()",
        "Unpause()",
        "AccountBlacklisted(address)",
        "InsufficientAllowance(address,uint256,uint256)",
        "InsufficientBalance(address,uint256,uint256)",
        "LengthsDiffer(uint256,uint256)",
        "NotOwner(address)",
        "TransfersPaused()",
        "ZeroAddress()",
    },
}

COUPON = "(uint256,uint256,uint256,uint256,uint256,uint256,uint8,uint8)"
DIVIDEND_INTERFACE = {
    "setDividend((uint256,uint256,uint256,uint8))",
    "cancelDividend(uint256)",
    "getDividend(uint256)",
    "getDividendFor(uint256,address)",
    "getDividendAmountFor(uint256,address)",
    "getDividendHolders(uint256,uint256,uint256)",
    "getTotalDividendHolders(uint256)",
    "getDividendsCount()",
    "DividendSet(bytes32,uint256,address,uint256,uint256,uint256,uint8)",
    "DividendCancelled(uint256,address)",
}
BOND_INTERFACE = {
    f"setCoupon({COUPON})",
    "getCoupon(uint256)",
    "getCouponFor(uint256,address)",
    "getCouponAmountFor(uint256,address)",
    "getCouponHolders(uint256,uint256,uint256)",
    "getTotalCouponHolders(uint256)",
    "getCouponCount()",
    f"CouponSet(bytes32,uint256,address,{COUPON})",
    "CouponCancelled(uint256,address)",
    "getPrincipalFor(address)",
    "fullRedeemAtMaturity(address)",
}

# What of the table a contract of ours does not have: the other kind of security's, and what only the Hedera
# token service makes.
LEFT_OUT = {
    "LifeCycleCashFlow": {"AssociateTokenFailed()"},
    "LifeCycleCashFlowVersion8": {"AssociateTokenFailed()"},
    "EquityToken": BOND_INTERFACE | {"getBondDetails()"},
    "EquityTokenVersion8": BOND_INTERFACE | {"getMaturityDate()"},
    "BondToken": DIVIDEND_INTERFACE,
    "BondTokenVersion8": DIVIDEND_INTERFACE,
    "PaymentToken": set[str](),
}
SECTION = {
    "LifeCycleCashFlow": "lifecycle",
    "LifeCycleCashFlowVersion8": "lifecycle",
    "EquityToken": "asset",
    "EquityTokenVersion8": "asset",
    "BondToken": "asset",
    "BondTokenVersion8": "asset",
    "PaymentToken": "erc20",
}
ALL_SECTIONS = ("lifecycle", "asset", "erc20")
# The asset manages its roles and its pause as the lifecycle contract does.
KNOWN_TO = dict.fromkeys(SECTION, ALL_SECTIONS) | {"PaymentToken": ("erc20",)}

# By the names that our code has for them.
ASSET_ROLES = {
    "snapshot": "SNAPSHOT",
    "maturity_redeemer": "MATURITY_REDEEMER",
    "corporate_action": "CORPORATE_ACTION",
}

# Outputs that the table does not spell out, but that callers depend on.
Outputs = dict[str, tuple[str, ...]]
SECURITY_OUTPUTS: Outputs = {
    "hasRole(bytes32,address)": ("bool",),
    "getTokenHoldersAtSnapshot(uint256,uint256,uint256)": ("address[]",),
    "getTotalTokenHoldersAtSnapshot(uint256)": ("uint256",),
    "totalSupplyAtSnapshot(uint256)": ("uint256",),
    "balanceOfAtSnapshot(uint256,address)": ("uint256",),
    "getSecurityHolders(uint256,uint256)": ("address[]",),
    "getTotalSecurityHolders()": ("uint256",),
    "triggerPendingScheduledCrossOrderedTasks()": ("uint256",),
}
EQUITY_OUTPUTS: Outputs = SECURITY_OUTPUTS | {
    "getDividendHolders(uint256,uint256,uint256)": ("address[]",),
    "getTotalDividendHolders(uint256)": ("uint256",),
    "getDividendsCount()": ("uint256",),
}
BOND_OUTPUTS: Outputs = SECURITY_OUTPUTS | {
    "getCouponAmountFor(uint256,address)": ("uint256", "uint256", "bool"),
    "getCouponHolders(uint256,uint256,uint256)": ("address[]",),
    "getTotalCouponHolders(uint256)": ("uint256",),
    "getCouponCount()": ("uint256",),
    "fullRedeemAtMaturity(address)": (),
}
UNWRITTEN_OUTPUTS: dict[str, Outputs] = {
    "LifeCycleCashFlow": {"getPaymentToken()": ("address",), "hasRole(bytes32,address)": ("bool",)},
    "EquityToken": EQUITY_OUTPUTS,
    "EquityTokenVersion8": EQUITY_OUTPUTS,
    "BondToken": BOND_OUTPUTS,
    "BondTokenVersion8": BOND_OUTPUTS | {"getMaturityDate()": ("uint256",)},
}

# Fragments of ours that the table does not have: Solidity's own errors, functions and events of version 7 and 8.
FRAGMENT_EXTRAS = {
    "BondMaturityDateWrong()",
    "MaturityDateInvalid()",
    "Error(string)",
    "Panic(uint256)",
    "cancelCoupon(uint256)",
    "getFrozenTokens(address)",
    "getLockedAmountFor(address)",
    "getHeldAmountFor(address)",
    "getClearedAmountFor(address)",
    "paused()",
    "TokensUnfrozen(address,uint256,bytes32)",
    "AddedToControlList(address,address)",
    "RemovedFromControlList(address,address)",
    "TokenPaused(address)",
    "TokenUnpaused(address)",
}


@pytest.fixture(scope="module")
def compiled() -> dict[str, Abi]:
    """The devnet contracts' ABIs, compiled if they have changed; a compiler error fails the tests."""
    compile_contracts()
    return {name: load_contract(name).abi for name in SECTION}


def version_of(contract: str) -> int:
    return 8 if contract.endswith("Version8") else 7


@pytest.mark.parametrize("version", VERSIONS)
def test_every_identifier_of_the_table_is_the_hash_of_its_signature(version: int) -> None:
    for entry in table_of(*ALL_SECTIONS, version=version).values():
        assert entry.identifier == identifier(*entry.key), entry.signature


@pytest.mark.parametrize("contract", SECTION)
def test_a_contract_agrees_with_the_table(compiled: dict[str, Abi], contract: str) -> None:
    entries = entries_of_abi(compiled[contract])

    table = table_of(*KNOWN_TO[contract], version=version_of(contract))
    assert differences(entries, table, EXTRAS[contract]) == []


@pytest.mark.parametrize("contract", SECTION)
def test_the_named_extras_and_gaps_are_exactly_the_real_ones(compiled: dict[str, Abi], contract: str) -> None:
    ours = {entry.key for entry in entries_of_abi(compiled[contract])}
    known = table_of(*KNOWN_TO[contract], version=version_of(contract))
    asked = table_of(SECTION[contract], version=version_of(contract))

    assert {signature for kind, signature in ours - known.keys()} == EXTRAS[contract]
    assert {signature for kind, signature in asked.keys() - ours} == LEFT_OUT[contract]


@pytest.mark.parametrize("contract", UNWRITTEN_OUTPUTS)
def test_outputs_that_the_table_leaves_open_are_what_callers_expect(
    compiled: dict[str, Abi], contract: str
) -> None:
    outputs = {entry.signature: entry.outputs for entry in entries_of_abi(compiled[contract])}

    for signature, expected in UNWRITTEN_OUTPUTS[contract].items():
        assert outputs[signature] == expected, signature


@pytest.mark.parametrize("contract", [contract for contract in SECTION if SECTION[contract] == "asset"])
def test_an_asset_has_the_whole_erc20_surface(compiled: dict[str, Abi], contract: str) -> None:
    ours = {entry.key for entry in entries_of_abi(compiled[contract])}

    assert table_of("erc20").keys() <= ours


def test_no_function_takes_money(compiled: dict[str, Abi]) -> None:
    for contract, abi in compiled.items():
        for item in abi:
            assert item.get("stateMutability") != "payable", f"{contract}.{item.get('name')}"


def test_the_deployer_grants_the_roles_of_the_table() -> None:
    fixture = load_fixture()

    assert {role.to_0x_hex() for role in roles.OPERATOR_ROLES} == set(fixture["lifecycle"]["roles"].values())
    for version, suffix in ((AssetVersion.VERSION_7, ""), (AssetVersion.VERSION_8, " (version 8)")):
        ours = {name: getattr(roles.ASSET_ROLES[version], name).to_0x_hex() for name in ASSET_ROLES}
        assert ours == {ours: fixture["asset"]["roles"][theirs + suffix] for ours, theirs in ASSET_ROLES.items()}


def test_our_abi_fragments_agree_with_the_table() -> None:
    fragments = [*own_fragments(), *interfaces.KNOWN_ERRORS.values()]
    entries = entries_of_fragments(fragments)

    # Where the versions differ, the name of the fragment says which one it is; version 8's events are left out.
    table = table_of(*ALL_SECTIONS, version=8) | table_of(*ALL_SECTIONS)
    assert entries
    assert differences(entries, table, FRAGMENT_EXTRAS) == []


def test_our_abi_fragments_agree_with_the_contracts(compiled: dict[str, Abi]) -> None:
    # The later give way: version 8 to 7, and the payment token, whose pausing returns nothing, to all.
    in_order = sorted(compiled, key=lambda contract: (contract == "PaymentToken", version_of(contract)))
    contracts = {entry.key: entry for name in reversed(in_order) for entry in entries_of_abi(compiled[name])}
    fragments = [entry for entry in entries_of_fragments(own_fragments()) if entry.key in contracts]

    assert fragments
    assert differences(fragments, contracts, set()) == []


def test_our_role_and_storage_constants_are_those_of_the_table() -> None:
    fixture = load_fixture()
    lifecycle_roles = fixture["lifecycle"]["roles"]
    ours = {name: getattr(interfaces, f"{name}_ROLE") for name in lifecycle_roles}

    assert {name: "0x" + role.hex() for name, role in ours.items()} == lifecycle_roles
    assert {"0x" + role.hex() for role in interfaces.ALL_LIFECYCLE_ROLES} == set(lifecycle_roles.values())
    for name in ASSET_ROLES.values():
        assert ["0x" + role.hex() for role in getattr(interfaces, f"{name}_ROLES")] == [
            fixture["asset"]["roles"][name],
            fixture["asset"]["roles"][f"{name} (version 8)"],
        ]
    assert int(fixture["lifecycle"]["storage"]["base"], 16) == interfaces.PAID_FLAG_BASE
    assert fixture["lifecycle"]["storage"]["paid_snapshots"] == interfaces.PAID_FLAG_SNAPSHOTS_OFFSET
    assert fixture["lifecycle"]["storage"]["paid_distributions"] == interfaces.PAID_FLAG_DISTRIBUTIONS_OFFSET


def test_a_wrong_output_or_an_unknown_entry_is_found() -> None:
    table = table_of("asset")
    wrong = Entry("function", "getERC20Metadata()", "0x8e649195", ("string", "string", "string", "uint8", "uint8"))
    unknown = Entry("error", "Unheard()", identifier("error", "Unheard()"))
    unindexed = Entry(
        "event",
        "SnapshotTaken(address,uint256)",
        table["event", "SnapshotTaken(address,uint256)"].identifier,
        indexed=(False, True),
    )

    found = differences([wrong, unknown, unindexed], table, set())

    assert len(found) == 3
