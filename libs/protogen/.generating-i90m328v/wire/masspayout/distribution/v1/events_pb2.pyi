from masspayout.distribution.v1 import distribution_service_pb2 as _distribution_service_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DistributionReleased(_message.Message):
    __slots__ = ("distribution_id", "version", "asset_id", "distribution")
    DISTRIBUTION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    distribution_id: str
    version: int
    asset_id: str
    distribution: _distribution_service_pb2.Distribution
    def __init__(self, distribution_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., distribution: _Optional[_Union[_distribution_service_pb2.Distribution, _Mapping]] = ...) -> None: ...

class DistributionCompleted(_message.Message):
    __slots__ = ("distribution_id", "version", "asset_id", "distribution")
    DISTRIBUTION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    distribution_id: str
    version: int
    asset_id: str
    distribution: _distribution_service_pb2.Distribution
    def __init__(self, distribution_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., distribution: _Optional[_Union[_distribution_service_pb2.Distribution, _Mapping]] = ...) -> None: ...

class DistributionIncomplete(_message.Message):
    __slots__ = ("distribution_id", "version", "asset_id", "distribution")
    DISTRIBUTION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    distribution_id: str
    version: int
    asset_id: str
    distribution: _distribution_service_pb2.Distribution
    def __init__(self, distribution_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., distribution: _Optional[_Union[_distribution_service_pb2.Distribution, _Mapping]] = ...) -> None: ...

class DistributionFailed(_message.Message):
    __slots__ = ("distribution_id", "version", "asset_id", "distribution")
    DISTRIBUTION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    distribution_id: str
    version: int
    asset_id: str
    distribution: _distribution_service_pb2.Distribution
    def __init__(self, distribution_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., distribution: _Optional[_Union[_distribution_service_pb2.Distribution, _Mapping]] = ...) -> None: ...

class DistributionCancelled(_message.Message):
    __slots__ = ("distribution_id", "version", "asset_id", "distribution")
    DISTRIBUTION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    distribution_id: str
    version: int
    asset_id: str
    distribution: _distribution_service_pb2.Distribution
    def __init__(self, distribution_id: _Optional[str] = ..., version: _Optional[int] = ..., asset_id: _Optional[str] = ..., distribution: _Optional[_Union[_distribution_service_pb2.Distribution, _Mapping]] = ...) -> None: ...
