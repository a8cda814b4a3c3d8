from masspayout.asset.v1 import asset_service_pb2 as _asset_service_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AssetImportStarted(_message.Message):
    __slots__ = ("asset_id", "version", "asset")
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    asset_id: str
    version: int
    asset: _asset_service_pb2.Asset
    def __init__(self, asset_id: _Optional[str] = ..., version: _Optional[int] = ..., asset: _Optional[_Union[_asset_service_pb2.Asset, _Mapping]] = ...) -> None: ...

class AssetImported(_message.Message):
    __slots__ = ("asset_id", "version", "asset")
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    asset_id: str
    version: int
    asset: _asset_service_pb2.Asset
    def __init__(self, asset_id: _Optional[str] = ..., version: _Optional[int] = ..., asset: _Optional[_Union[_asset_service_pb2.Asset, _Mapping]] = ...) -> None: ...

class AssetImportFailed(_message.Message):
    __slots__ = ("asset_id", "version", "asset")
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    asset_id: str
    version: int
    asset: _asset_service_pb2.Asset
    def __init__(self, asset_id: _Optional[str] = ..., version: _Optional[int] = ..., asset: _Optional[_Union[_asset_service_pb2.Asset, _Mapping]] = ...) -> None: ...
