import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from masspayout.type.v1 import amount_pb2 as _amount_pb2
from masspayout.type.v1 import readiness_pb2 as _readiness_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Distribution(_message.Message):
    __slots__ = ("name", "asset", "total_amount", "allow_unfunded", "state", "progress", "payout", "waiting_for", "failure_reason", "create_time", "update_time", "etag", "percentage")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Distribution.State]
        STATE_RELEASED: _ClassVar[Distribution.State]
        STATE_PLANNING: _ClassVar[Distribution.State]
        STATE_WAITING_FOR_FUNDS: _ClassVar[Distribution.State]
        STATE_EXECUTING: _ClassVar[Distribution.State]
        STATE_COMPLETED: _ClassVar[Distribution.State]
        STATE_INCOMPLETE: _ClassVar[Distribution.State]
        STATE_FAILED: _ClassVar[Distribution.State]
        STATE_PAUSED: _ClassVar[Distribution.State]
        STATE_CANCELLING: _ClassVar[Distribution.State]
        STATE_CANCELLED: _ClassVar[Distribution.State]
    STATE_UNSPECIFIED: Distribution.State
    STATE_RELEASED: Distribution.State
    STATE_PLANNING: Distribution.State
    STATE_WAITING_FOR_FUNDS: Distribution.State
    STATE_EXECUTING: Distribution.State
    STATE_COMPLETED: Distribution.State
    STATE_INCOMPLETE: Distribution.State
    STATE_FAILED: Distribution.State
    STATE_PAUSED: Distribution.State
    STATE_CANCELLING: Distribution.State
    STATE_CANCELLED: Distribution.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_UNFUNDED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    asset: str
    total_amount: _amount_pb2.TokenAmount
    allow_unfunded: bool
    state: Distribution.State
    progress: Progress
    payout: str
    waiting_for: str
    failure_reason: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    percentage: str
    def __init__(self, name: _Optional[str] = ..., asset: _Optional[str] = ..., total_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., allow_unfunded: _Optional[bool] = ..., state: _Optional[_Union[Distribution.State, str]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., payout: _Optional[str] = ..., waiting_for: _Optional[str] = ..., failure_reason: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., percentage: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("holder_count", "paid_count", "failed_count", "zero_due_count", "paid_amount", "batch_count", "final_batch_count", "waiting_count", "cancelled_count", "cancelled_amount")
    HOLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAID_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ZERO_DUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAID_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    FINAL_BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    holder_count: int
    paid_count: int
    failed_count: int
    zero_due_count: int
    paid_amount: _amount_pb2.TokenAmount
    batch_count: int
    final_batch_count: int
    waiting_count: int
    cancelled_count: int
    cancelled_amount: _amount_pb2.TokenAmount
    def __init__(self, holder_count: _Optional[int] = ..., paid_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., zero_due_count: _Optional[int] = ..., paid_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., batch_count: _Optional[int] = ..., final_batch_count: _Optional[int] = ..., waiting_count: _Optional[int] = ..., cancelled_count: _Optional[int] = ..., cancelled_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ...) -> None: ...

class CreateDistributionRequest(_message.Message):
    __slots__ = ("request_id", "asset", "total_amount", "allow_unfunded", "percentage")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_UNFUNDED_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    asset: str
    total_amount: _amount_pb2.AmountInput
    allow_unfunded: bool
    percentage: str
    def __init__(self, request_id: _Optional[str] = ..., asset: _Optional[str] = ..., total_amount: _Optional[_Union[_amount_pb2.AmountInput, _Mapping]] = ..., allow_unfunded: _Optional[bool] = ..., percentage: _Optional[str] = ...) -> None: ...

class GetDistributionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListDistributionsRequest(_message.Message):
    __slots__ = ("asset", "page_size", "page_token")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    asset: str
    page_size: int
    page_token: str
    def __init__(self, asset: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDistributionsResponse(_message.Message):
    __slots__ = ("distributions", "next_page_token")
    DISTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    distributions: _containers.RepeatedCompositeFieldContainer[Distribution]
    next_page_token: str
    def __init__(self, distributions: _Optional[_Iterable[_Union[Distribution, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PreviewDistributionRequest(_message.Message):
    __slots__ = ("asset", "total_amount", "percentage")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    asset: str
    total_amount: _amount_pb2.AmountInput
    percentage: str
    def __init__(self, asset: _Optional[str] = ..., total_amount: _Optional[_Union[_amount_pb2.AmountInput, _Mapping]] = ..., percentage: _Optional[str] = ...) -> None: ...

class PreviewDistributionResponse(_message.Message):
    __slots__ = ("total_amount", "holder_count", "zero_due_count", "payable_amount", "rounding_dust", "frozen_share", "available_amount", "shortfall", "block_number", "readiness", "largest_payments")
    TOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    HOLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    ZERO_DUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAYABLE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_DUST_FIELD_NUMBER: _ClassVar[int]
    FROZEN_SHARE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SHORTFALL_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    READINESS_FIELD_NUMBER: _ClassVar[int]
    LARGEST_PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    total_amount: _amount_pb2.TokenAmount
    holder_count: int
    zero_due_count: int
    payable_amount: _amount_pb2.TokenAmount
    rounding_dust: _amount_pb2.TokenAmount
    frozen_share: _amount_pb2.TokenAmount
    available_amount: _amount_pb2.TokenAmount
    shortfall: _amount_pb2.TokenAmount
    block_number: int
    readiness: _containers.RepeatedCompositeFieldContainer[_readiness_pb2.ReadinessCondition]
    largest_payments: _containers.RepeatedCompositeFieldContainer[PreviewedPayment]
    def __init__(self, total_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., holder_count: _Optional[int] = ..., zero_due_count: _Optional[int] = ..., payable_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., rounding_dust: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., frozen_share: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., available_amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., shortfall: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ..., block_number: _Optional[int] = ..., readiness: _Optional[_Iterable[_Union[_readiness_pb2.ReadinessCondition, _Mapping]]] = ..., largest_payments: _Optional[_Iterable[_Union[PreviewedPayment, _Mapping]]] = ...) -> None: ...

class PreviewedPayment(_message.Message):
    __slots__ = ("holder", "balance_base_units", "amount")
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    BALANCE_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    holder: str
    balance_base_units: str
    amount: _amount_pb2.TokenAmount
    def __init__(self, holder: _Optional[str] = ..., balance_base_units: _Optional[str] = ..., amount: _Optional[_Union[_amount_pb2.TokenAmount, _Mapping]] = ...) -> None: ...

class WatchDistributionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchDistributionResponse(_message.Message):
    __slots__ = ("distribution",)
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    distribution: Distribution
    def __init__(self, distribution: _Optional[_Union[Distribution, _Mapping]] = ...) -> None: ...
