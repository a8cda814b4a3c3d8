import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from masspayout.type.v1 import address_pb2 as _address_pb2
from masspayout.type.v1 import readiness_pb2 as _readiness_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Asset(_message.Message):
    __slots__ = ("name", "chain_id", "token", "display_name", "symbol", "isin", "decimals", "security_type", "payment_token", "payment_token_symbol", "payment_token_decimals", "lifecycle_contract", "lifecycle_origin", "state", "readiness", "failure_reason", "register", "create_time", "update_time", "etag")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Asset.State]
        STATE_IMPORTING: _ClassVar[Asset.State]
        STATE_ACTIVE: _ClassVar[Asset.State]
        STATE_FAILED: _ClassVar[Asset.State]
    STATE_UNSPECIFIED: Asset.State
    STATE_IMPORTING: Asset.State
    STATE_ACTIVE: Asset.State
    STATE_FAILED: Asset.State
    class SecurityType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SECURITY_TYPE_UNSPECIFIED: _ClassVar[Asset.SecurityType]
        SECURITY_TYPE_EQUITY: _ClassVar[Asset.SecurityType]
        SECURITY_TYPE_BOND: _ClassVar[Asset.SecurityType]
    SECURITY_TYPE_UNSPECIFIED: Asset.SecurityType
    SECURITY_TYPE_EQUITY: Asset.SecurityType
    SECURITY_TYPE_BOND: Asset.SecurityType
    class LifecycleOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LIFECYCLE_ORIGIN_UNSPECIFIED: _ClassVar[Asset.LifecycleOrigin]
        LIFECYCLE_ORIGIN_DEPLOYED: _ClassVar[Asset.LifecycleOrigin]
        LIFECYCLE_ORIGIN_ATTACHED: _ClassVar[Asset.LifecycleOrigin]
    LIFECYCLE_ORIGIN_UNSPECIFIED: Asset.LifecycleOrigin
    LIFECYCLE_ORIGIN_DEPLOYED: Asset.LifecycleOrigin
    LIFECYCLE_ORIGIN_ATTACHED: Asset.LifecycleOrigin
    NAME_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ISIN_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    SECURITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_TOKEN_SYMBOL_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_TOKEN_DECIMALS_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_ORIGIN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    READINESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    chain_id: int
    token: _address_pb2.AccountAddress
    display_name: str
    symbol: str
    isin: str
    decimals: int
    security_type: Asset.SecurityType
    payment_token: _address_pb2.AccountAddress
    payment_token_symbol: str
    payment_token_decimals: int
    lifecycle_contract: _address_pb2.AccountAddress
    lifecycle_origin: Asset.LifecycleOrigin
    state: Asset.State
    readiness: _containers.RepeatedCompositeFieldContainer[_readiness_pb2.ReadinessCondition]
    failure_reason: str
    register: RegisterPosition
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., chain_id: _Optional[int] = ..., token: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., display_name: _Optional[str] = ..., symbol: _Optional[str] = ..., isin: _Optional[str] = ..., decimals: _Optional[int] = ..., security_type: _Optional[_Union[Asset.SecurityType, str]] = ..., payment_token: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., payment_token_symbol: _Optional[str] = ..., payment_token_decimals: _Optional[int] = ..., lifecycle_contract: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., lifecycle_origin: _Optional[_Union[Asset.LifecycleOrigin, str]] = ..., state: _Optional[_Union[Asset.State, str]] = ..., readiness: _Optional[_Iterable[_Union[_readiness_pb2.ReadinessCondition, _Mapping]]] = ..., failure_reason: _Optional[str] = ..., register: _Optional[_Union[RegisterPosition, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class RegisterPosition(_message.Message):
    __slots__ = ("block_number", "block_hash", "holder_count", "total_balance_base_units")
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    HOLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BALANCE_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    block_number: int
    block_hash: str
    holder_count: int
    total_balance_base_units: str
    def __init__(self, block_number: _Optional[int] = ..., block_hash: _Optional[str] = ..., holder_count: _Optional[int] = ..., total_balance_base_units: _Optional[str] = ...) -> None: ...

class Holder(_message.Message):
    __slots__ = ("name", "account", "balance_base_units", "changed_at_block")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_BLOCK_FIELD_NUMBER: _ClassVar[int]
    name: str
    account: _address_pb2.AccountAddress
    balance_base_units: str
    changed_at_block: int
    def __init__(self, name: _Optional[str] = ..., account: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., balance_base_units: _Optional[str] = ..., changed_at_block: _Optional[int] = ...) -> None: ...

class ImportAssetRequest(_message.Message):
    __slots__ = ("request_id", "token", "payment_token", "lifecycle_contract")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    token: str
    payment_token: str
    lifecycle_contract: str
    def __init__(self, request_id: _Optional[str] = ..., token: _Optional[str] = ..., payment_token: _Optional[str] = ..., lifecycle_contract: _Optional[str] = ...) -> None: ...

class GetAssetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListAssetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAssetsResponse(_message.Message):
    __slots__ = ("assets", "next_page_token")
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    assets: _containers.RepeatedCompositeFieldContainer[Asset]
    next_page_token: str
    def __init__(self, assets: _Optional[_Iterable[_Union[Asset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListHoldersRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListHoldersResponse(_message.Message):
    __slots__ = ("holders", "next_page_token", "register")
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    holders: _containers.RepeatedCompositeFieldContainer[Holder]
    next_page_token: str
    register: RegisterPosition
    def __init__(self, holders: _Optional[_Iterable[_Union[Holder, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., register: _Optional[_Union[RegisterPosition, _Mapping]] = ...) -> None: ...
