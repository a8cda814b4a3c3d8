import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from masspayout.type.v1 import address_pb2 as _address_pb2
from masspayout.type.v1 import amount_pb2 as _amount_pb2
from masspayout.type.v1 import readiness_pb2 as _readiness_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Payout(_message.Message):
    __slots__ = ("name", "distribution", "asset", "state", "total_amount", "snapshot_id", "snapshot_block_number", "total_supply_base_units", "plan_hash", "holder_count", "paid_count", "failed_count", "zero_due_count", "paid_amount", "rounding_dust", "frozen_share", "batch_count", "final_batch_count", "waiting_for", "failure_reason", "create_time", "update_time", "etag", "percentage", "waiting_count", "cancelled_count", "cancelled_amount", "paused_from")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Payout.State]
        STATE_REQUESTED: _ClassVar[Payout.State]
        STATE_SNAPSHOTTING: _ClassVar[Payout.State]
        STATE_PLANNING: _ClassVar[Payout.State]
        STATE_WAITING_FOR_FUNDS: _ClassVar[Payout.State]
        STATE_EXECUTING: _ClassVar[Payout.State]
        STATE_COMPLETED: _ClassVar[Payout.State]
        STATE_INCOMPLETE: _ClassVar[Payout.State]
        STATE_FAILED: _ClassVar[Payout.State]
        STATE_PAUSED: _ClassVar[Payout.State]
        STATE_CANCELLING: _ClassVar[Payout.State]
        STATE_CANCELLED: _ClassVar[Payout.State]
    STATE_UNSPECIFIED: Payout.State
    STATE_REQUESTED: Payout.State
    STATE_SNAPSHOTTING: Payout.State
    STATE_PLANNING: Payout.State
    STATE_WAITING_FOR_FUNDS: Payout.State
    STATE_EXECUTING: Payout.State
    STATE_COMPLETED: Payout.State
    STATE_INCOMPLETE: Payout.State
    STATE_FAILED: Payout.State
    STATE_PAUSED: Payout.State
    STATE_CANCELLING: Payout.State
    STATE_CANCELLED: Payout.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SUPPLY_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    HOLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAID_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ZERO_DUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAID_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_DUST_FIELD_NUMBER: _ClassVar[int]
    FROZEN_SHARE_FIELD_NUMBER: _ClassVar[int]
    BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    FINAL_BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FROM_FIELD_NUMBER: _ClassVar[int]
    name: str
    distribution: str
    asset: str
    state: Payout.State
    total_amount: _amount_pb2.TokenAmount
    snapshot_id: str
    snapshot_block_number: int
    total_supply_base_units: str
    plan_hash: str
    holder_count: int
    paid_count: int
    failed_count: int
    zero_due_count: int
    paid_amount: _amount_pb2.TokenAmount
    rounding_dust: _amount_pb2.TokenAmount
    frozen_share: _amount_pb2.TokenAmount
    batch_count: int
    final_batch_count: int
    waiting_for: str
    failure_reason: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    percentage: str
    waiting_count: int
    cancelled_count: int
    cancelled_amount: _amount_pb2.TokenAmount
    paused_from: Payout.State
    def __init__(self, name: _Optional[str] = ..., distribution: _Optional[str] = ..., asset: _Optional[str] = ..., state: _Optional[_Union[Payout.State, str]] = ..., total_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., snapshot_id: _Optional[str] = ..., snapshot_block_number: _Optional[int] = ..., total_supply_base_units: _Optional[str] = ..., plan_hash: _Optional[str] = ..., holder_count: _Optional[int] = ..., paid_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., zero_due_count: _Optional[int] = ..., paid_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., rounding_dust: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., frozen_share: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., batch_count: _Optional[int] = ..., final_batch_count: _Optional[int] = ..., waiting_for: _Optional[str] = ..., failure_reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., percentage: _Optional[str] = ..., waiting_count: _Optional[int] = ..., cancelled_count: _Optional[int] = ..., cancelled_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., paused_from: _Optional[_Union[Payout.State, str]] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("name", "state", "holder_count", "amount", "transaction_hash", "nonce", "gas_limit", "gas_used", "block_number", "create_time", "update_time", "signer", "attempts", "problem")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Batch.State]
        STATE_PLANNED: _ClassVar[Batch.State]
        STATE_IN_FLIGHT: _ClassVar[Batch.State]
        STATE_SETTLED: _ClassVar[Batch.State]
        STATE_REVERTED: _ClassVar[Batch.State]
        STATE_VOIDED: _ClassVar[Batch.State]
    STATE_UNSPECIFIED: Batch.State
    STATE_PLANNED: Batch.State
    STATE_IN_FLIGHT: Batch.State
    STATE_SETTLED: Batch.State
    STATE_REVERTED: Batch.State
    STATE_VOIDED: Batch.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HOLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    GAS_LIMIT_FIELD_NUMBER: _ClassVar[int]
    GAS_USED_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Batch.State
    holder_count: int
    amount: _amount_pb2.TokenAmount
    transaction_hash: str
    nonce: int
    gas_limit: int
    gas_used: int
    block_number: int
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    signer: str
    attempts: _containers.RepeatedCompositeFieldContainer[TransactionAttempt]
    problem: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Batch.State, str]] = ..., holder_count: _Optional[int] = ..., amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., transaction_hash: _Optional[str] = ..., nonce: _Optional[int] = ..., gas_limit: _Optional[int] = ..., gas_used: _Optional[int] = ..., block_number: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signer: _Optional[str] = ..., attempts: _Optional[_Iterable[_Union[TransactionAttempt, _Mapping]]] = ..., problem: _Optional[str] = ...) -> None: ...

class TransactionAttempt(_message.Message):
    __slots__ = ("transaction_hash", "max_fee_per_gas_wei", "no_op", "create_time", "last_broadcast_time")
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    MAX_FEE_PER_GAS_WEI_FIELD_NUMBER: _ClassVar[int]
    NO_OP_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_BROADCAST_TIME_FIELD_NUMBER: _ClassVar[int]
    transaction_hash: str
    max_fee_per_gas_wei: str
    no_op: bool
    create_time: _timestamp_pb2.Timestamp
    last_broadcast_time: _timestamp_pb2.Timestamp
    def __init__(self, transaction_hash: _Optional[str] = ..., max_fee_per_gas_wei: _Optional[str] = ..., no_op: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_broadcast_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Payment(_message.Message):
    __slots__ = ("name", "holder", "balance_base_units", "amount", "state", "reason", "batch", "transaction_hash", "update_time", "detail", "tries", "retry_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Payment.State]
        STATE_PLANNED: _ClassVar[Payment.State]
        STATE_IN_FLIGHT: _ClassVar[Payment.State]
        STATE_PAID: _ClassVar[Payment.State]
        STATE_FAILED: _ClassVar[Payment.State]
        STATE_ZERO_DUE: _ClassVar[Payment.State]
        STATE_DISPUTED: _ClassVar[Payment.State]
        STATE_WAITING: _ClassVar[Payment.State]
        STATE_CANCELLED: _ClassVar[Payment.State]
    STATE_UNSPECIFIED: Payment.State
    STATE_PLANNED: Payment.State
    STATE_IN_FLIGHT: Payment.State
    STATE_PAID: Payment.State
    STATE_FAILED: Payment.State
    STATE_ZERO_DUE: Payment.State
    STATE_DISPUTED: Payment.State
    STATE_WAITING: Payment.State
    STATE_CANCELLED: Payment.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    BALANCE_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    holder: _address_pb2.AccountAddress
    balance_base_units: str
    amount: _amount_pb2.TokenAmount
    state: Payment.State
    reason: str
    batch: str
    transaction_hash: str
    update_time: _timestamp_pb2.Timestamp
    detail: str
    tries: int
    retry_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., holder: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., balance_base_units: _Optional[str] = ..., amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., state: _Optional[_Union[Payment.State, str]] = ..., reason: _Optional[str] = ..., batch: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., detail: _Optional[str] = ..., tries: _Optional[int] = ..., retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PreviewPayoutRequest(_message.Message):
    __slots__ = ("asset", "total_amount_base_units", "skip_amounts", "percentage")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_AMOUNT_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    SKIP_AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    asset: str
    total_amount_base_units: str
    skip_amounts: bool
    percentage: str
    def __init__(self, asset: _Optional[str] = ..., total_amount_base_units: _Optional[str] = ..., skip_amounts: _Optional[bool] = ..., percentage: _Optional[str] = ...) -> None: ...

class PreviewPayoutResponse(_message.Message):
    __slots__ = ("holder_count", "zero_due_count", "payable_base_units", "rounding_dust_base_units", "frozen_share_base_units", "available_base_units", "shortfall_base_units", "block_number", "readiness", "largest_payments", "total_base_units")
    HOLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    ZERO_DUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAYABLE_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_DUST_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    FROZEN_SHARE_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    SHORTFALL_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    READINESS_FIELD_NUMBER: _ClassVar[int]
    LARGEST_PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    holder_count: int
    zero_due_count: int
    payable_base_units: str
    rounding_dust_base_units: str
    frozen_share_base_units: str
    available_base_units: str
    shortfall_base_units: str
    block_number: int
    readiness: _containers.RepeatedCompositeFieldContainer[_readiness_pb2.ReadinessCondition]
    largest_payments: _containers.RepeatedCompositeFieldContainer[PreviewedPayoutPayment]
    total_base_units: str
    def __init__(self, holder_count: _Optional[int] = ..., zero_due_count: _Optional[int] = ..., payable_base_units: _Optional[str] = ..., rounding_dust_base_units: _Optional[str] = ..., frozen_share_base_units: _Optional[str] = ..., available_base_units: _Optional[str] = ..., shortfall_base_units: _Optional[str] = ..., block_number: _Optional[int] = ..., readiness: _Optional[_Iterable[_Union[_readiness_pb2.ReadinessCondition, _Mapping]]] = ..., largest_payments: _Optional[_Iterable[_Union[PreviewedPayoutPayment, _Mapping]]] = ..., total_base_units: _Optional[str] = ...) -> None: ...

class PreviewedPayoutPayment(_message.Message):
    __slots__ = ("holder", "balance_base_units", "amount_base_units")
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    BALANCE_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    holder: str
    balance_base_units: str
    amount_base_units: str
    def __init__(self, holder: _Optional[str] = ..., balance_base_units: _Optional[str] = ..., amount_base_units: _Optional[str] = ...) -> None: ...

class CheckReadinessRequest(_message.Message):
    __slots__ = ("token", "payment_token", "lifecycle_contract")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    token: str
    payment_token: str
    lifecycle_contract: str
    def __init__(self, token: _Optional[str] = ..., payment_token: _Optional[str] = ..., lifecycle_contract: _Optional[str] = ...) -> None: ...

class CheckReadinessResponse(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_readiness_pb2.ReadinessCondition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_readiness_pb2.ReadinessCondition, _Mapping]]] = ...) -> None: ...

class GetPayoutRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListPayoutsRequest(_message.Message):
    __slots__ = ("asset", "page_size", "page_token")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    asset: str
    page_size: int
    page_token: str
    def __init__(self, asset: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPayoutsResponse(_message.Message):
    __slots__ = ("payouts", "next_page_token")
    PAYOUTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    payouts: _containers.RepeatedCompositeFieldContainer[Payout]
    next_page_token: str
    def __init__(self, payouts: _Optional[_Iterable[_Union[Payout, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListBatchesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListBatchesResponse(_message.Message):
    __slots__ = ("batches", "next_page_token")
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[Batch]
    next_page_token: str
    def __init__(self, batches: _Optional[_Iterable[_Union[Batch, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListPaymentsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPaymentsResponse(_message.Message):
    __slots__ = ("payments", "next_page_token")
    PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    payments: _containers.RepeatedCompositeFieldContainer[Payment]
    next_page_token: str
    def __init__(self, payments: _Optional[_Iterable[_Union[Payment, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ExportPaymentsRequest(_message.Message):
    __slots__ = ("parent", "after_row")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    AFTER_ROW_FIELD_NUMBER: _ClassVar[int]
    parent: str
    after_row: int
    def __init__(self, parent: _Optional[str] = ..., after_row: _Optional[int] = ...) -> None: ...

class ExportPaymentsResponse(_message.Message):
    __slots__ = ("csv", "last_row")
    CSV_FIELD_NUMBER: _ClassVar[int]
    LAST_ROW_FIELD_NUMBER: _ClassVar[int]
    csv: bytes
    last_row: int
    def __init__(self, csv: _Optional[bytes] = ..., last_row: _Optional[int] = ...) -> None: ...

class PausePayoutRequest(_message.Message):
    __slots__ = ("request_id", "name")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ResumePayoutRequest(_message.Message):
    __slots__ = ("request_id", "name")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class CancelPayoutRequest(_message.Message):
    __slots__ = ("request_id", "name")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class RetryPaymentsRequest(_message.Message):
    __slots__ = ("request_id", "name", "holders")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    holders: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., holders: _Optional[_Iterable[str]] = ...) -> None: ...

class SettlePaymentRequest(_message.Message):
    __slots__ = ("request_id", "name", "paid", "evidence")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAID_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    paid: bool
    evidence: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., paid: _Optional[bool] = ..., evidence: _Optional[str] = ...) -> None: ...

class Treasury(_message.Message):
    __slots__ = ("name", "lifecycle_contract", "balance", "committed", "available", "commitments")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    lifecycle_contract: _address_pb2.AccountAddress
    balance: _amount_pb2.TokenAmount
    committed: _amount_pb2.TokenAmount
    available: _amount_pb2.TokenAmount
    commitments: _containers.RepeatedCompositeFieldContainer[Commitment]
    def __init__(self, name: _Optional[str] = ..., lifecycle_contract: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., balance: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., committed: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., available: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., commitments: _Optional[_Iterable[_Union[Commitment, _Mapping]]] = ...) -> None: ...

class Commitment(_message.Message):
    __slots__ = ("owner", "amount")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    owner: str
    amount: _amount_pb2.TokenAmount
    def __init__(self, owner: _Optional[str] = ..., amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ...) -> None: ...

class GetTreasuryRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Sweep(_message.Message):
    __slots__ = ("name", "asset", "to", "amount", "state", "waiting_for", "failure_reason", "transaction_hash", "create_time", "update_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Sweep.State]
        STATE_SENDING: _ClassVar[Sweep.State]
        STATE_SUCCEEDED: _ClassVar[Sweep.State]
        STATE_FAILED: _ClassVar[Sweep.State]
    STATE_UNSPECIFIED: Sweep.State
    STATE_SENDING: Sweep.State
    STATE_SUCCEEDED: Sweep.State
    STATE_FAILED: Sweep.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    asset: str
    to: _address_pb2.AccountAddress
    amount: _amount_pb2.TokenAmount
    state: Sweep.State
    waiting_for: str
    failure_reason: str
    transaction_hash: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., asset: _Optional[str] = ..., to: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., state: _Optional[_Union[Sweep.State, str]] = ..., waiting_for: _Optional[str] = ..., failure_reason: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SweepLeftoverRequest(_message.Message):
    __slots__ = ("request_id", "asset", "to", "amount_base_units")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    asset: str
    to: str
    amount_base_units: str
    def __init__(self, request_id: _Optional[str] = ..., asset: _Optional[str] = ..., to: _Optional[str] = ..., amount_base_units: _Optional[str] = ...) -> None: ...

class GetSweepRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListSweepsRequest(_message.Message):
    __slots__ = ("asset", "page_size", "page_token")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    asset: str
    page_size: int
    page_token: str
    def __init__(self, asset: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSweepsResponse(_message.Message):
    __slots__ = ("sweeps", "next_page_token")
    SWEEPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sweeps: _containers.RepeatedCompositeFieldContainer[Sweep]
    next_page_token: str
    def __init__(self, sweeps: _Optional[_Iterable[_Union[Sweep, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Discrepancy(_message.Message):
    __slots__ = ("name", "kind", "asset", "payout", "subject", "expected", "actual", "transaction_hash", "find_time", "last_seen_time", "resolve_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    FIND_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    RESOLVE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    asset: str
    payout: str
    subject: str
    expected: str
    actual: str
    transaction_hash: str
    find_time: _timestamp_pb2.Timestamp
    last_seen_time: _timestamp_pb2.Timestamp
    resolve_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., asset: _Optional[str] = ..., payout: _Optional[str] = ..., subject: _Optional[str] = ..., expected: _Optional[str] = ..., actual: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., find_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resolve_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReconcilePayoutRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ReconcilePayoutResponse(_message.Message):
    __slots__ = ("discrepancies", "payment_count", "block_number")
    DISCREPANCIES_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    discrepancies: _containers.RepeatedCompositeFieldContainer[Discrepancy]
    payment_count: int
    block_number: int
    def __init__(self, discrepancies: _Optional[_Iterable[_Union[Discrepancy, _Mapping]]] = ..., payment_count: _Optional[int] = ..., block_number: _Optional[int] = ...) -> None: ...

class ListDiscrepanciesRequest(_message.Message):
    __slots__ = ("payout", "include_resolved", "page_size", "page_token")
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_RESOLVED_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    payout: str
    include_resolved: bool
    page_size: int
    page_token: str
    def __init__(self, payout: _Optional[str] = ..., include_resolved: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDiscrepanciesResponse(_message.Message):
    __slots__ = ("discrepancies", "next_page_token")
    DISCREPANCIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    discrepancies: _containers.RepeatedCompositeFieldContainer[Discrepancy]
    next_page_token: str
    def __init__(self, discrepancies: _Optional[_Iterable[_Union[Discrepancy, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Signer(_message.Message):
    __slots__ = ("name", "address", "chain_id", "next_nonce", "in_flight_count", "queued_count", "halted_because")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_NONCE_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUEUED_COUNT_FIELD_NUMBER: _ClassVar[int]
    HALTED_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: _address_pb2.AccountAddress
    chain_id: int
    next_nonce: int
    in_flight_count: int
    queued_count: int
    halted_because: str
    def __init__(self, name: _Optional[str] = ..., address: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., chain_id: _Optional[int] = ..., next_nonce: _Optional[int] = ..., in_flight_count: _Optional[int] = ..., queued_count: _Optional[int] = ..., halted_because: _Optional[str] = ...) -> None: ...

class ListSignersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSignersResponse(_message.Message):
    __slots__ = ("signers",)
    SIGNERS_FIELD_NUMBER: _ClassVar[int]
    signers: _containers.RepeatedCompositeFieldContainer[Signer]
    def __init__(self, signers: _Optional[_Iterable[_Union[Signer, _Mapping]]] = ...) -> None: ...

class ReconcileSignerRequest(_message.Message):
    __slots__ = ("request_id", "name", "acknowledged_transaction_hashes")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_TRANSACTION_HASHES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    acknowledged_transaction_hashes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., acknowledged_transaction_hashes: _Optional[_Iterable[str]] = ...) -> None: ...

class ReconcileSignerResponse(_message.Message):
    __slots__ = ("signer", "transactions")
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    signer: Signer
    transactions: _containers.RepeatedCompositeFieldContainer[ForeignTransaction]
    def __init__(self, signer: _Optional[_Union[Signer, _Mapping]] = ..., transactions: _Optional[_Iterable[_Union[ForeignTransaction, _Mapping]]] = ...) -> None: ...

class ForeignTransaction(_message.Message):
    __slots__ = ("nonce", "transaction_hash", "block_number", "account", "payout")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    transaction_hash: str
    block_number: int
    account: str
    payout: str
    def __init__(self, nonce: _Optional[int] = ..., transaction_hash: _Optional[str] = ..., block_number: _Optional[int] = ..., account: _Optional[str] = ..., payout: _Optional[str] = ...) -> None: ...
