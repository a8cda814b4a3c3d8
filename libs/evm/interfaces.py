"""The on-chain interfaces that we speak, from contracts.md. A test compares each with that table."""

from libs.evm.abi import ContractError, Event, Function

# --- ERC-20 -------------------------------------------------------------------------------------------------
BALANCE_OF = Function("balanceOf", ("address",), ("uint256",))
TOTAL_SUPPLY = Function("totalSupply", (), ("uint256",))
SYMBOL = Function("symbol", (), ("string",))
DECIMALS = Function("decimals", (), ("uint8",))
TRANSFER_TOKENS = Function("transfer", ("address", "uint256"), ("bool",))
TRANSFER = Event("Transfer", ("address", "address", "uint256"), (True, True, False))

# --- The asset (security token) -----------------------------------------------------------------------------
GET_ERC20_METADATA = Function("getERC20Metadata", (), ("((string,string,string,uint8),uint8)",))
SECURITY_TYPE_EQUITY = 1

TAKE_SNAPSHOT = Function("takeSnapshot", (), ("uint256",))
GET_TOKEN_HOLDERS_AT_SNAPSHOT = Function(
    "getTokenHoldersAtSnapshot", ("uint256", "uint256", "uint256"), ("address[]",)
)
GET_TOTAL_TOKEN_HOLDERS_AT_SNAPSHOT = Function("getTotalTokenHoldersAtSnapshot", ("uint256",), ("uint256",))
TOTAL_SUPPLY_AT_SNAPSHOT = Function("totalSupplyAtSnapshot", ("uint256",), ("uint256",))
BALANCE_OF_AT_SNAPSHOT = Function("balanceOfAtSnapshot", ("uint256", "address"), ("uint256",))
GET_SECURITY_HOLDERS = Function("getSecurityHolders", ("uint256", "uint256"), ("address[]",))
GET_TOTAL_SECURITY_HOLDERS = Function("getTotalSecurityHolders", (), ("uint256",))
HAS_ROLE_ON_ASSET = Function("hasRole", ("bytes32", "address"), ("bool",))
SNAPSHOT_TAKEN = Event("SnapshotTaken", ("address", "uint256"), (True, True))
# Version 7 and 8 of the asset name the same role differently.
SNAPSHOT_ROLES = (
    bytes.fromhex("3fbb44760c0954eea3f6cb9f1f210568f5ae959dcbbef66e72f749dbaa7cc2da"),
    bytes.fromhex("f7d999723d2160432933a2aeffaae83e262a5a46fe94f34614a7676d1d1f67c6"),
)

# --- LifeCycleCashFlow --------------------------------------------------------------------------------------
INITIALIZE = Function("initialize", ("address", "address", "(bytes32,address[])[]"), ())
EXECUTE_AMOUNT_SNAPSHOT_BY_ADDRESSES = Function(
    "executeAmountSnapshotByAddresses",
    ("address", "uint256", "address[]", "uint256"),
    ("address[]", "address[]", "uint256[]"),
)
# Moves payment tokens anywhere; it sets no paid flag, so it never pays a payee.
TRANSFER_PAYMENT_TOKEN = Function("transferPaymentToken", ("address", "uint256"), ())
IS_PAUSED = Function("isPaused", (), ("bool",))
GET_PAYMENT_TOKEN = Function("getPaymentToken", (), ("address",))
GET_PAYMENT_TOKEN_DECIMALS = Function("getPaymentTokenDecimals", (), ("uint8",))
HAS_ROLE = Function("hasRole", ("bytes32", "address"), ("bool",))
AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED = Event(
    "AmountSnapshotByAddressesExecuted",
    ("uint256", "address[]", "uint256", "address[]", "address[]", "uint256[]"),
    (False,) * 6,
)

DEFAULT_ADMIN_ROLE = bytes(32)
PAUSER_ROLE = bytes.fromhex("8943226357c41253cf6ffc651e04f2a3a7cf1255138972ce150e207c0393cbce")
PAYOUT_ROLE = bytes.fromhex("88ad01da1e5558735d5b478c04a0f1667377fb68a98cb0278159d0b790f08c10")
CASHOUT_ROLE = bytes.fromhex("e0d6eef1076057afbcdc5a0534cf7ab9071fa4fdd3750e202da3d49c8913a144")
TRANSFERER_ROLE = bytes.fromhex("4a16419d45be80f6de7609caac23eb8c7bfe6336a71da3cefd43ea62183ad211")
PAYMENT_TOKEN_MANAGER_ROLE = bytes.fromhex("15e92345f55818ea6e01143954b5841c1ba74302c2b157a2b4d0f21f9ad40286")
# The reference gives all six to the one operator (contracts.md, end of section 1).
ALL_LIFECYCLE_ROLES = (
    DEFAULT_ADMIN_ROLE,
    PAUSER_ROLE,
    PAYOUT_ROLE,
    CASHOUT_ROLE,
    TRANSFERER_ROLE,
    PAYMENT_TOKEN_MANAGER_ROLE,
)

# --- Errors -------------------------------------------------------------------------------------------------
INVALID_ASSET = ContractError("InvalidAsset", ("address",))
LIFECYCLE_IS_PAUSED = ContractError("LifeCycleCashFlowIsPaused", ())
ACCOUNT_HAS_NO_ROLE = ContractError("AccountHasNoRole", ("address", "bytes32"))
NOT_ENOUGH_BALANCE = ContractError("NotEnoughBalance", ("uint256",))
TRANSFER_FAILED = ContractError("TransferERC20TokenFailed", ("address", "uint256"))
INVALID_PAYMENT_TOKEN = ContractError("InvalidPaymentToken", ("address",))
ASSOCIATE_TOKEN_FAILED = ContractError("AssociateTokenFailed", ())
INVALID_INITIALIZATION = ContractError("InvalidInitialization", ())
SNAPSHOT_ID_NULL = ContractError("SnapshotIdNull", ())
SNAPSHOT_ID_DOES_NOT_EXIST = ContractError("SnapshotIdDoesNotExists", ("uint256",))
TOKEN_IS_PAUSED = ContractError("TokenIsPaused", ())
TOKEN_IS_PAUSED_V8 = ContractError("IsPaused", ())
KNOWN_ERRORS = {
    error.selector: error
    for error in (
        INVALID_ASSET,
        LIFECYCLE_IS_PAUSED,
        ACCOUNT_HAS_NO_ROLE,
        NOT_ENOUGH_BALANCE,
        TRANSFER_FAILED,
        INVALID_PAYMENT_TOKEN,
        ASSOCIATE_TOKEN_FAILED,
        INVALID_INITIALIZATION,
        SNAPSHOT_ID_NULL,
        SNAPSHOT_ID_DOES_NOT_EXIST,
        TOKEN_IS_PAUSED,
        TOKEN_IS_PAUSED_V8,
        # Solidity's own.
        ContractError("Error", ("string",)),
        ContractError("Panic", ("uint256",)),
    )
}
# What payment tokens say when they refuse a transfer: OpenZeppelin's (ERC-6093 and its pause), the devnet's.
PAYMENT_TOKEN_ERRORS = {
    error.selector: error
    for error in (
        ContractError("ERC20InsufficientBalance", ("address", "uint256", "uint256")),
        ContractError("ERC20InvalidSender", ("address",)),
        ContractError("ERC20InvalidReceiver", ("address",)),
        ContractError("EnforcedPause", ()),
        ContractError("AccountBlacklisted", ("address",)),
        ContractError("InsufficientBalance", ("address", "uint256", "uint256")),
        ContractError("TransfersPaused", ()),
        ContractError("ZeroAddress", ()),
    )
}

# EIP-1967: keccak-256("eip1967.proxy.implementation") - 1.
IMPLEMENTATION_SLOT = 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC
# contracts.md, 3.2: where the lifecycle contract keeps its paid flags.
PAID_FLAG_BASE = 0x854679A93CEBFD89E2D5A20FDC0F646E935C518A098CEA2E09FBCD5137772703
PAID_FLAG_SNAPSHOTS_OFFSET = 3
