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
# Takes the scheduled snapshots whose record date has come; anyone may call it.
TRIGGER_SCHEDULED_TASKS = Function("triggerPendingScheduledCrossOrderedTasks", (), ("uint256",))
SNAPSHOT_TRIGGERED = Event("SnapshotTriggered", ("uint256", "bytes"), (False, False))

# Dividends and coupons are counted from 1. An amount is (numerator, denominator, record date reached), in whole
# payment tokens: paid is numerator * 10**decimals // denominator.
# record date, execution date, amount, its decimals
DIVIDEND = "(uint256,uint256,uint256,uint8)"
# record, execution, start, end and fixing date, rate, its decimals, its status
COUPON = "(uint256,uint256,uint256,uint256,uint256,uint256,uint8,uint8)"
COUPON_RATE_PENDING = 0
COUPON_RATE_SET = 1
_AMOUNT = ("uint256", "uint256", "bool")
_PAGE = ("uint256", "uint256", "uint256")

SET_DIVIDEND = Function("setDividend", (DIVIDEND,), ("uint256",))
CANCEL_DIVIDEND = Function("cancelDividend", ("uint256",), ("bool",))
GET_DIVIDEND = Function("getDividend", ("uint256",), (f"({DIVIDEND},uint256)", "bool"))
# balance, amount, its decimals, record date, execution date, decimals, record date reached, is disabled
GET_DIVIDEND_FOR = Function(
    "getDividendFor",
    ("uint256", "address"),
    ("uint256", "uint256", "uint8", "uint256", "uint256", "uint8", "bool", "bool"),
)
GET_DIVIDEND_AMOUNT_FOR = Function("getDividendAmountFor", ("uint256", "address"), _AMOUNT)
GET_DIVIDEND_HOLDERS = Function("getDividendHolders", _PAGE, ("address[]",))
GET_TOTAL_DIVIDEND_HOLDERS = Function("getTotalDividendHolders", ("uint256",), ("uint256",))
GET_DIVIDENDS_COUNT = Function("getDividendsCount", (), ("uint256",))
DIVIDEND_SET = Event(
    "DividendSet",
    ("bytes32", "uint256", "address", "uint256", "uint256", "uint256", "uint8"),
    (False, False, True, True, True, False, False),
)
DIVIDEND_CANCELLED = Event("DividendCancelled", ("uint256", "address"), (False, True))

SET_COUPON = Function("setCoupon", (COUPON,), ("uint256",))
CANCEL_COUPON = Function("cancelCoupon", ("uint256",), ("bool",))
GET_COUPON = Function("getCoupon", ("uint256",), (f"({COUPON},uint256)", "bool"))
GET_COUPON_AMOUNT_FOR = Function("getCouponAmountFor", ("uint256", "address"), _AMOUNT)
GET_COUPON_HOLDERS = Function("getCouponHolders", _PAGE, ("address[]",))
GET_TOTAL_COUPON_HOLDERS = Function("getTotalCouponHolders", ("uint256",), ("uint256",))
GET_COUPON_COUNT = Function("getCouponCount", (), ("uint256",))
# The layout of version 7: balance, nominal value, decimals, record date reached, coupon, amount, is disabled.
# Version 8 answers the same selector in another order; amounts are better asked of getCouponAmountFor.
GET_COUPON_FOR_V7 = Function(
    "getCouponFor",
    ("uint256", "address"),
    ("uint256", "uint256", "uint8", "bool", COUPON, "(uint256,uint256,bool)", "bool"),
)
# Version 7; version 8 has the same topic and indexes the two ids, too.
COUPON_SET_V7 = Event("CouponSet", ("bytes32", "uint256", "address", COUPON), (False, False, True, False))

# currency, nominal value, its decimals, starting date, maturity date; version 7 alone.
GET_BOND_DETAILS_V7 = Function("getBondDetails", (), ("bytes3", "uint256", "uint8", "uint256", "uint256"))
# Version 8 alone.
GET_MATURITY_DATE_V8 = Function("getMaturityDate", (), ("uint256",))
GET_PRINCIPAL_FOR = Function("getPrincipalFor", ("address",), ("uint256", "uint256"))
FULL_REDEEM_AT_MATURITY = Function("fullRedeemAtMaturity", ("address",), ())
REDEEMED_BY_PARTITION = Event(
    "RedeemedByPartition",
    ("bytes32", "address", "address", "uint256", "bytes", "bytes"),
    (True, True, True, False, False, False),
)
# In versions 7 and 8. The lifecycle contract itself must have the redeemer's.
MATURITY_REDEEMER_ROLES = (
    bytes.fromhex("a0d696902e9ed231892dc96649f0c62b808a1cb9dd1269e78e0adc1cc4b8358c"),
    bytes.fromhex("433f48f8aca23480f6ab07666cbc9131d32a0b4672033453f65e18f4dd390523"),
)
CORPORATE_ACTION_ROLES = (
    bytes.fromhex("8a139eeb747b9809192ae3de1b88acfd2568c15241a5c4f85db0443a536d77d6"),
    bytes.fromhex("a1acfc499025c99f55059195e6276f639d34a18aad7b8121b9192b7f438c55cd"),
)

# Balances change without a Transfer.
TOKENS_FROZEN = Event("TokensFrozen", ("address", "uint256", "bytes32"), (True, False, False))
ADJUSTMENT_BALANCE_SET = Event("AdjustmentBalanceSet", ("address", "uint256", "uint8"), (True, False, False))

# --- LifeCycleCashFlow --------------------------------------------------------------------------------------
INITIALIZE = Function("initialize", ("address", "address", "(bytes32,address[])[]"), ())
EXECUTE_AMOUNT_SNAPSHOT_BY_ADDRESSES = Function(
    "executeAmountSnapshotByAddresses",
    ("address", "uint256", "address[]", "uint256"),
    ("address[]", "address[]", "uint256[]"),
)
EXECUTE_DISTRIBUTION_BY_ADDRESSES = Function(
    "executeDistributionByAddresses",
    ("address", "uint256", "address[]"),
    ("address[]", "address[]", "uint256[]"),
)
EXECUTE_BOND_CASH_OUT_BY_ADDRESSES = Function(
    "executeBondCashOutByAddresses", ("address", "address[]"), ("address[]", "address[]", "uint256[]")
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
DISTRIBUTION_BY_ADDRESSES_EXECUTED = Event(
    "DistributionByAddressesExecuted",
    ("uint256", "address[]", "address[]", "address[]", "uint256[]"),
    (False,) * 5,
)
CASH_OUT_BY_ADDRESSES_EXECUTED = Event(
    "CashOutByAddressesExecuted", ("address[]", "address[]", "address[]", "uint256[]"), (False,) * 4
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
# The date first, then the block's time, which is before it.
NOT_PAYMENT_DATE = ContractError("NotPaymentDate", ("uint256", "uint256"))
# On the control list: neither transfers nor redemption.
ACCOUNT_IS_BLOCKED = ContractError("AccountIsBlocked", ("address",))
# The index asked for, and the kind of action that it is none of.
WRONG_INDEX_FOR_ACTION = ContractError("WrongIndexForAction", ("uint256", "bytes32"))
WRONG_DATES = ContractError("WrongDates", ("uint256", "uint256"))
WRONG_TIMESTAMP = ContractError("WrongTimestamp", ("uint256",))
# Panic codes: a cancelled coupon's amount is 0/0; an action's id 0 underflows.
PANIC_UNDERFLOW = 0x11
PANIC_DIVISION_BY_ZERO = 0x12
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
        NOT_PAYMENT_DATE,
        ACCOUNT_IS_BLOCKED,
        WRONG_INDEX_FOR_ACTION,
        WRONG_DATES,
        WRONG_TIMESTAMP,
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
PAID_FLAG_DISTRIBUTIONS_OFFSET = 2
PAID_FLAG_SNAPSHOTS_OFFSET = 3

# --- The asset, version 8 alone -----------------------------------------------------------------------------
# Free, locked, frozen, held and cleared tokens together: what getPrincipalFor tells the principal of.
GET_TOTAL_BALANCE_FOR_V8 = Function("getTotalBalanceFor", ("address",), ("uint256",))
