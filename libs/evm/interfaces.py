"""The contract functions and events that we use.

A test compares each with a table (docs/facts-contracts.md#interface).
"""

from libs.evm.abi import ContractError, Event, Function


def _event(name: str, *fields: str) -> Event:
    """Makes an event from the canonical types of its fields. ` indexed` follows the type of an indexed field."""
    types = tuple(field.removesuffix(" indexed") for field in fields)
    return Event(name, types, tuple(field.endswith(" indexed") for field in fields))


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

# Of versions 2 to 5, whose dividends and coupons the lifecycle contract cannot pay: read only to say so.
GET_DIVIDENDS_V2 = Function("getDividends", ("uint256",), (f"({DIVIDEND},uint256)",))

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
ISSUED_BY_PARTITION = Event(
    "IssuedByPartition", ("bytes32", "address", "address", "uint256", "bytes"), (True, True, True, False, False)
)
REDEEMED_BY_PARTITION = Event(
    "RedeemedByPartition",
    ("bytes32", "address", "address", "uint256", "bytes", "bytes"),
    (True, True, True, False, False, False),
)
TRANSFER_BY_PARTITION = Event(
    "TransferByPartition",
    ("bytes32", "address", "address", "address", "uint256", "bytes", "bytes"),
    (True, False, True, True, False, False, False),
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

# The parts of a holding that cannot be moved, and are not in its balance; a token may lack some of these getters.
GET_FROZEN_TOKENS = Function("getFrozenTokens", ("address",), ("uint256",))
GET_LOCKED_AMOUNT_FOR = Function("getLockedAmountFor", ("address",), ("uint256",))
GET_HELD_AMOUNT_FOR = Function("getHeldAmountFor", ("address",), ("uint256",))
GET_CLEARED_AMOUNT_FOR = Function("getClearedAmountFor", ("address",), ("uint256",))
# Version 8; version 7 has isPaused().
PAUSED_V8 = Function("paused", (), ("bool",))

# Balances change without a Transfer.
TOKENS_FROZEN = Event("TokensFrozen", ("address", "uint256", "bytes32"), (True, False, False))
ADJUSTMENT_BALANCE_SET = Event("AdjustmentBalanceSet", ("address", "uint256", "uint8"), (True, False, False))

# In versions 7 and 8, and in the devnet's token.
TOKENS_UNFROZEN = _event("TokensUnfrozen", "address indexed", "uint256", "bytes32")
ADDED_TO_CONTROL_LIST = _event("AddedToControlList", "address indexed", "address indexed")
REMOVED_FROM_CONTROL_LIST = _event("RemovedFromControlList", "address indexed", "address indexed")
COUPON_CANCELLED_V7 = _event("CouponCancelled", "uint256", "address indexed")
TOKEN_PAUSED_V7 = _event("TokenPaused", "address indexed")
TOKEN_UNPAUSED_V7 = _event("TokenUnpaused", "address indexed")

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
PAUSE = Function("pause", (), ("bool",))
UNPAUSE = Function("unpause", (), ("bool",))
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

# We send none of these; someone else may.
AMOUNT_SNAPSHOT_EXECUTED = _event(
    "AmountSnapshotExecuted", "uint256", "uint256", "uint256", "uint256", "address[]", "address[]", "uint256[]"
)
PERCENTAGE_SNAPSHOT_EXECUTED = _event(
    "PercentageSnapshotExecuted", "uint256", "uint256", "uint256", "uint256", "address[]", "address[]", "uint256[]"
)
PERCENTAGE_SNAPSHOT_BY_ADDRESSES_EXECUTED = _event(
    "PercentageSnapshotByAddressesExecuted",
    *("uint256", "address[]", "uint256"),
    *("address[]", "address[]", "uint256[]"),
)
DISTRIBUTION_EXECUTED = _event(
    "DistributionExecuted", "uint256", "uint256", "uint256", "address[]", "address[]", "uint256[]"
)
CASH_OUT_EXECUTED = _event("CashOutExecuted", "uint256", "uint256", "address[]", "address[]", "uint256[]")
LIFECYCLE_PAUSED = _event("LifeCycleCashFlowPaused", "address indexed")
LIFECYCLE_UNPAUSED = _event("LifeCycleCashFlowUnpaused", "address indexed")
PAYMENT_TOKEN_TRANSFERRED = _event("PaymentTokenTransferred", "address", "uint256")
PAYMENT_TOKEN_CHANGED = _event("PaymentTokenChanged", "address")

DEFAULT_ADMIN_ROLE = bytes(32)
PAUSER_ROLE = bytes.fromhex("8943226357c41253cf6ffc651e04f2a3a7cf1255138972ce150e207c0393cbce")
PAYOUT_ROLE = bytes.fromhex("88ad01da1e5558735d5b478c04a0f1667377fb68a98cb0278159d0b790f08c10")
CASHOUT_ROLE = bytes.fromhex("e0d6eef1076057afbcdc5a0534cf7ab9071fa4fdd3750e202da3d49c8913a144")
TRANSFERER_ROLE = bytes.fromhex("4a16419d45be80f6de7609caac23eb8c7bfe6336a71da3cefd43ea62183ad211")
PAYMENT_TOKEN_MANAGER_ROLE = bytes.fromhex("15e92345f55818ea6e01143954b5841c1ba74302c2b157a2b4d0f21f9ad40286")
# The reference gives all six to the one operator (docs/facts-contracts.md#roles).
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
LIFECYCLE_IS_UNPAUSED = ContractError("LifeCycleCashFlowIsUnpaused", ())
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
# The selector that was called: the asset's proxy has no such function (docs/contract-surprises.md#22).
FUNCTION_NOT_FOUND = ContractError("FunctionNotFound", ("bytes4",))
# Too early to redeem: version 7 says so still on the maturity date, when the lifecycle contract already pays.
MATURITY_DATE_WRONG_V7 = ContractError("BondMaturityDateWrong", ())
MATURITY_DATE_INVALID_V8 = ContractError("MaturityDateInvalid", ())
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
        LIFECYCLE_IS_UNPAUSED,
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
        FUNCTION_NOT_FOUND,
        MATURITY_DATE_WRONG_V7,
        MATURITY_DATE_INVALID_V8,
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
# Where the lifecycle contract keeps its paid flags (docs/facts-contracts.md#paid-flags).
PAID_FLAG_BASE = 0x854679A93CEBFD89E2D5A20FDC0F646E935C518A098CEA2E09FBCD5137772703
PAID_FLAG_DISTRIBUTIONS_OFFSET = 2
PAID_FLAG_SNAPSHOTS_OFFSET = 3

# --- The asset, version 8 alone -----------------------------------------------------------------------------
# Free, locked, frozen, held and cleared tokens together: what getPrincipalFor tells the principal of.
GET_TOTAL_BALANCE_FOR = Function("getTotalBalanceFor", ("address",), ("uint256",))

# --- Events of the asset, as version 2 alone emits them -----------------------------------------------------
# tests/ats compares them with the published interface, too.
# corporate action, coupon, operator, record and execution date, rate, its decimals, period
COUPON_SET_V2 = _event(
    "CouponSet",
    *("bytes32", "uint256", "address indexed", "uint256 indexed", "uint256 indexed"),
    *("uint256", "uint256", "uint256"),
)
# Who triggered, and the snapshot: of each snapshot, also of one on request.
SNAPSHOT_TRIGGERED_V2 = _event("SnapshotTriggered", "address indexed", "uint256")
CLEARING_OPERATION_APPROVED_V2 = _event(
    "ClearingOperationApproved", "address indexed", "address indexed", "bytes32 indexed", "uint256", "uint8"
)

# --- Events of the asset, as version 8 emits them -----------------------------------------------------------
# tests/ats compares them with the published interface. Version 7 has most of them, too; where it differs, its
# layout stands above.
COUPON_SET_V8 = _event("CouponSet", "bytes32 indexed", "uint256 indexed", "address indexed", COUPON)
COUPON_CANCELLED_V8 = _event("CouponCancelled", "uint256 indexed", "address indexed")
COUPON_FORCE_CANCELLED_V8 = _event("CouponForceCancelled", "uint256 indexed", "address indexed")
DIVIDEND_FORCE_CANCELLED_V8 = _event("DividendForceCancelled", "uint256", "address indexed")
TOKEN_PAUSED_V8 = _event("Paused", "address indexed")
TOKEN_UNPAUSED_V8 = _event("Unpaused", "address indexed")
ADDRESS_FROZEN_V8 = _event("AddressFrozen", "address indexed", "bool indexed", "address indexed")
LOCKED_BY_PARTITION_V8 = _event(
    "LockedByPartition", "address indexed", "address indexed", "bytes32 indexed", "uint256", "uint256", "uint256"
)
LOCK_BY_PARTITION_RELEASED_V8 = _event(
    "LockByPartitionReleased", "address indexed", "address indexed", "bytes32 indexed", "uint256"
)
PARTITION_TRANSFERRED_AND_LOCKED_V8 = _event(
    "PartitionTransferredAndLocked",
    "bytes32 indexed",
    "address indexed",
    "address",
    "uint256",
    "bytes",
    "uint256",
    "uint256",
)
HOLD_BY_PARTITION_EXECUTED_V8 = _event(
    "HoldByPartitionExecuted", "address indexed", "bytes32 indexed", "uint256", "uint256", "address"
)
HOLD_BY_PARTITION_RELEASED_V8 = _event(
    "HoldByPartitionReleased", "address indexed", "bytes32 indexed", "uint256", "uint256"
)
HOLD_BY_PARTITION_RECLAIMED_V8 = _event(
    "HoldByPartitionReclaimed", "address indexed", "address indexed", "bytes32 indexed", "uint256", "uint256"
)
AMORTIZATION_HOLD_SET_V8 = _event(
    "AmortizationHoldSet", "bytes32 indexed", "uint256 indexed", "address indexed", "uint256", "uint256"
)
AMORTIZATION_HOLD_RELEASED_V8 = _event(
    "AmortizationHoldReleased", "bytes32 indexed", "uint256 indexed", "address indexed", "uint256"
)
AMORTIZATION_SET_V8 = _event("AmortizationSet", "bytes32", "uint256", "address indexed", "uint256", "uint256")
# Kinds of operation: transfer 0, redemption 1, creation of a hold 2.
CLEARING_OF_TRANSFER = 0
CLEARING_OF_HOLD = 2
CLEARING_OPERATION_APPROVED_V8 = _event(
    "ClearingOperationApproved",
    "address indexed",
    "address indexed",
    "bytes32 indexed",
    "uint256",
    "uint8",
    "bytes",
)
CLEARING_OPERATION_CANCELED_V8 = _event(
    "ClearingOperationCanceled", "address indexed", "address indexed", "bytes32 indexed", "uint256", "uint8"
)
CLEARING_OPERATION_RECLAIMED_V8 = _event(
    "ClearingOperationReclaimed", "address indexed", "address indexed", "bytes32 indexed", "uint256", "uint8"
)
RECOVERY_SUCCESS_V8 = _event("RecoverySuccess", "address", "address", "address")
SCHEDULED_BALANCE_ADJUSTMENT_SET_V8 = _event(
    "ScheduledBalanceAdjustmentSet",
    "bytes32",
    "uint256",
    "address indexed",
    "uint256 indexed",
    "uint256",
    "uint256",
)
SCHEDULED_BALANCE_ADJUSTMENT_FORCE_CANCELLED_V8 = _event(
    "ScheduledBalanceAdjustmentForceCancelled", "uint256", "address indexed"
)
TASK_EXECUTION_FAILED_V8 = _event("TaskExecutionFailed", "bytes32 indexed", "bytes32 indexed", "uint256")
# amount, expiry, escrow, receiver, data
_HOLD = "(uint256,uint256,address,address,bytes)"
HELD_EVENTS_V8 = tuple(
    _event(name, "address indexed", "address indexed", "bytes32", "uint256", _HOLD, "bytes")
    for name in (
        "HeldByPartition",
        "HeldFromByPartition",
        "OperatorHeldByPartition",
        "ControllerHeldByPartition",
        "ProtectedHeldByPartition",
    )
)
CLEARED_HOLD_EVENTS_V8 = tuple(
    _event(name, "address indexed", "address indexed", "bytes32", "uint256", _HOLD, "uint256", "bytes", "bytes")
    for name in (
        "ClearedHoldByPartition",
        "ClearedHoldFromByPartition",
        "ClearedOperatorHoldByPartition",
        "ProtectedClearedHoldByPartition",
    )
)
CLEARED_TRANSFER_EVENTS_V8 = tuple(
    _event(
        name,
        *("address indexed",) * 3,
        *("bytes32", "uint256", "uint256", "uint256", "bytes", "bytes"),
    )
    for name in (
        "ClearedTransferByPartition",
        "ClearedTransferFromByPartition",
        "ClearedOperatorTransferByPartition",
        "ProtectedClearedTransferByPartition",
    )
)
CLEARED_REDEEM_EVENTS_V8 = tuple(
    _event(
        name,
        *("address indexed",) * 2,
        *("bytes32", "uint256", "uint256", "uint256", "bytes", "bytes"),
    )
    for name in (
        "ClearedRedeemByPartition",
        "ClearedRedeemFromByPartition",
        "ClearedOperatorRedeemByPartition",
        "ProtectedClearedRedeemByPartition",
    )
)
_LOAN = (
    "((bytes3,uint256,uint256,uint8,uint8,uint8,uint256,address,address),"
    "(uint8,uint256,uint256,uint256,uint8,uint8,uint256,uint256,uint256,uint256,uint8,uint256),"
    "(string,uint256,uint256),(uint256,uint256),(uint8,uint256))"
)
# They change nobody's holdings, or a Transfer tells of it all. Also what is emitted when a token is set up.
HARMLESS_ASSET_EVENTS = (
    _event("AddedToExternalControlLists", "address indexed", "address"),
    _event("AddedToExternalKycLists", "address indexed", "address"),
    _event("AddedToExternalPauses", "address indexed", "address"),
    _event("AddedToIssuerList", "address indexed", "address indexed"),
    _event("AgentAdded", "address indexed"),
    _event("AgentRemoved", "address indexed"),
    _event("AmortizationCancelled", "uint256", "address indexed"),
    _event("AmortizationForceCancelled", "uint256", "address indexed"),
    _event("Approval", "address indexed", "address indexed", "uint256"),
    _event("AuthorizedOperator", "address indexed", "address indexed"),
    _event("AuthorizedOperatorByPartition", "bytes32 indexed", "address indexed", "address indexed"),
    _event("CapInitialized", "uint256", "(bytes32,uint256)[]"),
    _event("ClearingActivated", "address indexed"),
    _event("ClearingDeactivated", "address indexed"),
    _event("ClearingInitialized", "bool"),
    _event("ComplianceAdded", "address indexed"),
    _event("ComplianceInitialized", "address"),
    _event("ControlListInitialized", "bool"),
    _event("ControllerInitialized", "bool"),
    _event("ControllerRedemption", "address", "address indexed", "uint256", "bytes", "bytes"),
    _event("ControllerTransfer", "address", "address indexed", "address indexed", "uint256", "bytes", "bytes"),
    _event("CoreInitialized", "((string,string,string,uint8),uint8)"),
    _event("CorporateActionAdded", "address indexed", "bytes32 indexed", "bytes32 indexed", "uint256", "bytes"),
    _event("CorporateActionCancelled", "bytes32 indexed"),
    _event("CouponRateTypeSet", "address indexed", "uint8"),
    _event("DelegateChanged", "address indexed", "address indexed", "address indexed"),
    _event("DelegateVotesChanged", "address indexed", "uint256", "uint256"),
    _event("DocumentRemoved", "bytes32 indexed", "string", "bytes32"),
    _event("DocumentUpdated", "bytes32 indexed", "string", "bytes32"),
    _event("ERC20VotesInitialized", "bool"),
    _event("EffectivelyRolesApplied", "bytes32[]", "bool[]"),
    _event("ExternalControlListInitialized", "address[]"),
    _event("ExternalControlListsUpdated", "address indexed", "address[]", "bool[]"),
    _event("ExternalKycListInitialized", "address[]"),
    _event("ExternalKycListsUpdated", "address indexed", "address[]", "bool[]"),
    _event("ExternalPauseInitialized", "address[]"),
    _event("ExternalPausesUpdated", "address indexed", "address[]", "bool[]"),
    _event("FinalizedControllerFeature", "address"),
    _event("FixedRateInitialized", "(uint256,uint8)"),
    _event("HoldingsAssetAdded", "(address,uint8,string)"),
    _event("HoldingsAssetRemoved", "(address,uint8,string)"),
    _event("IdentityInitialized", "address"),
    _event("IdentityRegistryAdded", "address indexed"),
    _event("ImpactDataUpdated", "address indexed", "(uint256,uint256,uint256,uint8,uint256)"),
    _event("InitializerInitialized", "uint256"),
    _event("InterestRateTypeInitialized", "uint8"),
    _event(
        "InterestRateUpdated", "address indexed", "(uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint8)"
    ),
    _event("InternalKycStatusUpdated", "address indexed", "bool"),
    _event("Issued", "address indexed", "address indexed", "uint256", "bytes"),
    _event("IssuedByPartition", "bytes32 indexed", "address indexed", "address indexed", "uint256", "bytes"),
    _event("KpiDataAdded", "address indexed", "uint256", "uint256"),
    _event(
        "KpiLinkedRateInitialized",
        "(uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint8)",
        "(uint256,uint256,uint256,uint8,uint256)",
    ),
    _event("KycGranted", "address indexed", "address indexed"),
    _event("KycInitialized", "bool"),
    _event("KycRevoked", "address indexed", "address indexed"),
    _event("LoanDetailsSet", _LOAN),
    _event("LoanHoldingsAssetUpdated", "address"),
    _event("LoanInitialized", _LOAN),
    _event("LoansPortfolioInitialized", "(uint8,uint8)"),
    _event("LoansPortfolioWithdrawn", "address", "address", "uint256"),
    _event(
        "LockExpirationUpdated",
        "address indexed",
        "address indexed",
        "bytes32 indexed",
        "uint256",
        "uint256",
        "uint256",
    ),
    _event("MaturityDateUpdated", "address indexed", "uint256 indexed", "uint256 indexed"),
    _event("MaturityInitialized", "uint256 indexed"),
    _event("MaxInitializerFacetIndexUpdated", "address", "uint256"),
    _event("MaxSupplyByPartitionSet", "address indexed", "bytes32 indexed", "uint256", "uint256"),
    _event("MaxSupplySet", "address indexed", "uint256", "uint256"),
    _event("NominalValueCurrencySet", "address indexed", "bytes3"),
    _event("NominalValueInitialized", "uint256", "uint8", "bytes3"),
    _event("NominalValueSet", "address indexed", "uint256", "uint8"),
    _event("OperationalStatusPartialSet", "address", "bytes32", "uint256", "uint256"),
    _event("OperationalStatusSet", "address", "bytes32", "uint256"),
    _event("OperatorAuthorized", "address indexed", "address indexed"),
    _event("OperatorRevoked", "address indexed", "address indexed"),
    _event("PartitionsInitialized", "bool"),
    _event("PartitionsProtected", "address indexed"),
    _event("PartitionsUnProtected", "address indexed"),
    _event("ProceedRecipientAdded", "address indexed", "address indexed", "bytes"),
    _event("ProceedRecipientDataUpdated", "address indexed", "address indexed", "bytes"),
    _event("ProceedRecipientRemoved", "address indexed", "address indexed"),
    _event("ProceedRecipientsInitialized", "address[]", "bytes[]"),
    _event("ProtectedPartitionsInitialized", "bool"),
    _event(
        "ProtectedRedeemFrom",
        "bytes32 indexed",
        "address indexed",
        "address indexed",
        "uint256",
        "uint256",
        "uint256",
        "bytes",
    ),
    _event(
        "ProtectedRedeemedByPartition",
        "address indexed",
        "address indexed",
        "uint256",
        "bytes32",
        "(uint256,uint256,bytes)",
    ),
    _event(
        "ProtectedTransferFrom",
        "bytes32 indexed",
        "address indexed",
        "address indexed",
        "address",
        "uint256",
        "uint256",
        "uint256",
        "bytes",
    ),
    _event(
        "ProtectedTransferredByPartition",
        "address indexed",
        "address indexed",
        "address indexed",
        "uint256",
        "bytes32",
        "(uint256,uint256,bytes)",
    ),
    _event("RateUpdated", "address indexed", "uint256", "uint8"),
    _event("Redeemed", "address indexed", "address indexed", "uint256", "bytes"),
    _event("RemovedFromExternalControlLists", "address indexed", "address"),
    _event("RemovedFromExternalKycLists", "address indexed", "address"),
    _event("RemovedFromExternalPauses", "address indexed", "address"),
    _event("RemovedFromIssuerList", "address indexed", "address indexed"),
    _event("RevocationRegistryUpdated", "address indexed", "address indexed"),
    _event("RevokedOperator", "address indexed", "address indexed"),
    _event("RevokedOperatorByPartition", "bytes32 indexed", "address indexed", "address indexed"),
    _event("RoleAdminChanged", "bytes32 indexed", "bytes32 indexed", "bytes32 indexed"),
    _event("RoleGranted", "address indexed", "address indexed", "bytes32 indexed"),
    _event("RoleRenounced", "address indexed", "bytes32 indexed"),
    _event("RoleRevoked", "address indexed", "address indexed", "bytes32 indexed"),
    _event("RolesApplied", "bytes32[]", "bool[]", "address"),
    _event("ScheduledBalanceAdjustmentCancelled", "uint256", "address indexed"),
    _event("TransferFromWithData", "address indexed", "address indexed", "address indexed", "uint256", "bytes"),
    _event("TransferWithData", "address indexed", "address indexed", "uint256", "bytes"),
    _event("UpdatedTokenInformation", "string indexed", "string indexed", "uint8", "string", "address indexed"),
    _event("VotingCancelled", "uint256", "address indexed"),
    _event("VotingForceCancelled", "uint256", "address indexed"),
    _event("VotingSet", "bytes32", "uint256", "address indexed", "uint256 indexed", "bytes"),
    # Ours alone: the rate is read of the coupon.
    _event("RateSet", "uint256", "address indexed", "uint256", "uint8"),
    *(
        _event(f"{facet}Initialized")
        for facet in (
            "AccessControl",
            "Allowance",
            "Amortization",
            "BalanceAdjustments",
            "BalanceTracker",
            "BalanceTrackerAdjusted",
            "BalanceTrackerAtSnapshot",
            "BalanceTrackerAtSnapshotByPartition",
            "BalanceTrackerByPartition",
            "BatchBurn",
            "BatchController",
            "BatchFreeze",
            "BatchMint",
            "BatchTransfer",
            "Burn",
            "BurnByPartition",
            "CapByPartition",
            "ClearingAtSnapshot",
            "ClearingAtSnapshotByPartition",
            "ClearingByPartition",
            "ClearingHoldByPartition",
            "ComplianceByPartition",
            "ControllerByPartition",
            "ControllerHoldByPartition",
            "CoreAdjusted",
            "CoreAtSnapshot",
            "CorporateActions",
            "Coupon",
            "CouponListing",
            "CouponSecurityHolders",
            "CustomData",
            "Deactivate",
            "DiamondCut",
            "Dividend",
            "DividendSecurityHolders",
            "Documentation",
            "EIP712",
            "ERC1594",
            "ERC20Permit",
            "Freeze",
            "FreezeAtSnapshot",
            "FreezeAtSnapshotByPartition",
            "Hold",
            "HoldAtSnapshot",
            "HoldAtSnapshotByPartition",
            "HoldByPartition",
            "Kpis",
            "Lock",
            "LockAtSnapshot",
            "LockAtSnapshotByPartition",
            "LockByPartition",
            "MaturityByPartition",
            "MintByPartition",
            "NominalValueAtSnapshot",
            "Nonces",
            "Operator",
            "OperatorByPartition",
            "OperatorClearingByPartition",
            "OperatorClearingHoldByPartition",
            "OperatorHoldByPartition",
            "Pause",
            "Principal",
            "ProtectedByPartition",
            "ProtectedClearingByPartition",
            "ProtectedClearingHoldByPartition",
            "ProtectedHoldByPartition",
            "Recovery",
            "ScheduledBalanceAdjustment",
            "ScheduledCrossOrderedTasks",
            "SecurityHolders",
            "SecurityHoldersAtSnapshot",
            "Snapshots",
            "SnapshotsByPartition",
            "SsiManagement",
            "Transfer",
            "TransferAndLock",
            "TransferAndLockByPartition",
            "TransferByPartition",
            "Voting",
            "VotingSecurityHolders",
        )
    ),
)
# Of the lifecycle contract and of its proxy.
HARMLESS_LIFECYCLE_EVENTS = (
    PAYMENT_TOKEN_TRANSFERRED,
    _event("RoleGranted", "address indexed", "address indexed", "bytes32 indexed"),
    _event("RoleRevoked", "address indexed", "address indexed", "bytes32 indexed"),
    _event("RoleRenounced", "address indexed", "bytes32 indexed"),
    _event("Initialized", "uint64"),
    _event("Upgraded", "address indexed"),
    _event("AdminChanged", "address", "address"),
)
