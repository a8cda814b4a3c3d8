from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HolderBalancesChanged(_message.Message):
    __slots__ = ("asset_id", "sequence", "from_block", "to_block", "to_block_hash", "changes", "range_complete")
    ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FROM_BLOCK_FIELD_NUMBER: _ClassVar[int]
    TO_BLOCK_FIELD_NUMBER: _ClassVar[int]
    TO_BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    RANGE_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    asset_id: str
    sequence: int
    from_block: int
    to_block: int
    to_block_hash: str
    changes: _containers.RepeatedCompositeFieldContainer[HolderBalanceChange]
    range_complete: bool
    def __init__(self, asset_id: _Optional[str] = ..., sequence: _Optional[int] = ..., from_block: _Optional[int] = ..., to_block: _Optional[int] = ..., to_block_hash: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[HolderBalanceChange, _Mapping]]] = ..., range_complete: _Optional[bool] = ...) -> None: ...

class HolderBalanceChange(_message.Message):
    __slots__ = ("holder", "delta_base_units", "block_number")
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    DELTA_BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    holder: str
    delta_base_units: str
    block_number: int
    def __init__(self, holder: _Optional[str] = ..., delta_base_units: _Optional[str] = ..., block_number: _Optional[int] = ...) -> None: ...
