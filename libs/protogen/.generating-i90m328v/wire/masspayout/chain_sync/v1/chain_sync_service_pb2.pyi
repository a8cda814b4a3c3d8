import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from masspayout.type.v1 import address_pb2 as _address_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TokenDescription(_message.Message):
    __slots__ = ("chain_id", "token", "display_name", "symbol", "isin", "decimals", "security_type", "total_supply_base_units", "holder_count", "block_number")
    class SecurityType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SECURITY_TYPE_UNSPECIFIED: _ClassVar[TokenDescription.SecurityType]
        SECURITY_TYPE_EQUITY: _ClassVar[TokenDescription.SecurityType]
        SECURITY_TYPE_BOND: _ClassVar[TokenDescription.SecurityType]
    SECURITY_TYPE_UNSPECIFIED: TokenDescription.SecurityType
    SECURITY_TYPE_EQUITY: TokenDescription.SecurityType
    SECURITY_TYPE_BOND: TokenDescription.SecurityType
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ISIN_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    SECURITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SUPPLY_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    HOLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    chain_id: int
    token: _address_pb2.AccountAddress
    display_name: str
    symbol: str
    isin: str
    decimals: int
    security_type: TokenDescription.SecurityType
    total_supply_base_units: str
    holder_count: int
    block_number: int
    def __init__(self, chain_id: _Optional[int] = ..., token: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., display_name: _Optional[str] = ..., symbol: _Optional[str] = ..., isin: _Optional[str] = ..., decimals: _Optional[int] = ..., security_type: _Optional[_Union[TokenDescription.SecurityType, str]] = ..., total_supply_base_units: _Optional[str] = ..., holder_count: _Optional[int] = ..., block_number: _Optional[int] = ...) -> None: ...

class PaymentTokenDescription(_message.Message):
    __slots__ = ("chain_id", "token", "symbol", "decimals")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    chain_id: int
    token: _address_pb2.AccountAddress
    symbol: str
    decimals: int
    def __init__(self, chain_id: _Optional[int] = ..., token: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., symbol: _Optional[str] = ..., decimals: _Optional[int] = ...) -> None: ...

class SyncStatus(_message.Message):
    __slots__ = ("asset", "token", "position_block_number", "head_block_number", "last_sequence", "last_error", "update_time")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    HEAD_BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    asset: str
    token: _address_pb2.AccountAddress
    position_block_number: int
    head_block_number: int
    last_sequence: int
    last_error: str
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, asset: _Optional[str] = ..., token: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., position_block_number: _Optional[int] = ..., head_block_number: _Optional[int] = ..., last_sequence: _Optional[int] = ..., last_error: _Optional[str] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DescribeTokenRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class DescribePaymentTokenRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class GetSyncStatusRequest(_message.Message):
    __slots__ = ("asset",)
    ASSET_FIELD_NUMBER: _ClassVar[int]
    asset: str
    def __init__(self, asset: _Optional[str] = ...) -> None: ...
