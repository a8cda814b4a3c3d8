from masspayout.payout.v1 import payout_service_pb2 as _payout_service_pb2
from masspayout.type.v1 import address_pb2 as _address_pb2
from masspayout.type.v1 import readiness_pb2 as _readiness_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LifecycleContractChanged(_message.Message):
    __slots__ = ("asset_id", "version", "state", "lifecycle_contract", "readiness", "failure_reason")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[LifecycleContractChanged.State]
        STATE_DEPLOYING: _ClassVar[LifecycleContractChanged.State]
        STATE_NOT_READY: _ClassVar[LifecycleContractChanged.State]
        STATE_READY: _ClassVar[LifecycleContractChanged.State]
        STATE_FAILED: _ClassVar[LifecycleContractChanged.State]
    STATE_UNSPECIFIED: LifecycleContractChanged.State
    STATE_DEPLOYING: LifecycleContractChanged.State
    STATE_NOT_READY: LifecycleContractChanged.State
    STATE_READY: LifecycleContractChanged.State
    STATE_FAILED: LifecycleContractChanged.State
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    READINESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    asset_id: str
    version: int
    state: LifecycleContractChanged.State
    lifecycle_contract: _address_pb2.AccountAddress
    readiness: _containers.RepeatedCompositeFieldContainer[_readiness_pb2.ReadinessCondition]
    failure_reason: str
    def __init__(self, asset_id: _Optional[str] = ..., version: _Optional[int] = ..., state: _Optional[_Union[LifecycleContractChanged.State, str]] = ..., lifecycle_contract: _Optional[_Union[_address_pb2.AccountAddress, _Mapping]] = ..., readiness: _Optional[_Iterable[_Union[_readiness_pb2.ReadinessCondition, _Mapping]]] = ..., failure_reason: _Optional[str] = ...) -> None: ...

class PayoutProgressed(_message.Message):
    __slots__ = ("payout_id", "version", "asset_id", "payout")
    PAYOUT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    payout_id: str
    version: int
    asset_id: str
    payout: _payout_service_pb2.Payout
    def __init__(self, payout_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., payout: _Optional[_Union[_payout_service_pb2.Payout, _Mapping]] = ...) -> None: ...

class PayoutCompleted(_message.Message):
    __slots__ = ("payout_id", "version", "asset_id", "payout")
    PAYOUT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    payout_id: str
    version: int
    asset_id: str
    payout: _payout_service_pb2.Payout
    def __init__(self, payout_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., payout: _Optional[_Union[_payout_service_pb2.Payout, _Mapping]] = ...) -> None: ...

class PayoutIncomplete(_message.Message):
    __slots__ = ("payout_id", "version", "asset_id", "payout")
    PAYOUT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    payout_id: str
    version: int
    asset_id: str
    payout: _payout_service_pb2.Payout
    def __init__(self, payout_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., payout: _Optional[_Union[_payout_service_pb2.Payout, _Mapping]] = ...) -> None: ...

class PayoutFailed(_message.Message):
    __slots__ = ("payout_id", "version", "asset_id", "payout")
    PAYOUT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    payout_id: str
    version: int
    asset_id: str
    payout: _payout_service_pb2.Payout
    def __init__(self, payout_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., payout: _Optional[_Union[_payout_service_pb2.Payout, _Mapping]] = ...) -> None: ...

class PayoutCancelled(_message.Message):
    __slots__ = ("payout_id", "version", "asset_id", "payout")
    PAYOUT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    payout_id: str
    version: int
    asset_id: str
    payout: _payout_service_pb2.Payout
    def __init__(self, payout_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., payout: _Optional[_Union[_payout_service_pb2.Payout, _Mapping]] = ...) -> None: ...

class DiscrepancyFound(_message.Message):
    __slots__ = ("discrepancy_id", "version", "asset_id", "discrepancy")
    DISCREPANCY_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    DISCREPANCY_FIELD_NUMBER: _ClassVar[int]
    discrepancy_id: str
    version: int
    asset_id: str
    discrepancy: _payout_service_pb2.Discrepancy
    def __init__(self, discrepancy_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., discrepancy: _Optional[_Union[_payout_service_pb2.Discrepancy, _Mapping]] = ...) -> None: ...

class DiscrepancyResolved(_message.Message):
    __slots__ = ("discrepancy_id", "version", "asset_id", "discrepancy")
    DISCREPANCY_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    DISCREPANCY_FIELD_NUMBER: _ClassVar[int]
    discrepancy_id: str
    version: int
    asset_id: str
    discrepancy: _payout_service_pb2.Discrepancy
    def __init__(self, discrepancy_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., discrepancy: _Optional[_Union[_payout_service_pb2.Discrepancy, _Mapping]] = ...) -> None: ...
