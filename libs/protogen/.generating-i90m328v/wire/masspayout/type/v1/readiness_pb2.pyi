from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReadinessCondition(_message.Message):
    __slots__ = ("kind", "satisfied", "detail", "remedy")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[ReadinessCondition.Kind]
        KIND_LIFECYCLE_CONTRACT_EXISTS: _ClassVar[ReadinessCondition.Kind]
        KIND_PAYMENT_TOKEN_MATCHES: _ClassVar[ReadinessCondition.Kind]
        KIND_ASSET_MATCHES: _ClassVar[ReadinessCondition.Kind]
        KIND_LIFECYCLE_CONTRACT_NOT_PAUSED: _ClassVar[ReadinessCondition.Kind]
        KIND_PAYOUT_ROLE_HELD: _ClassVar[ReadinessCondition.Kind]
        KIND_SNAPSHOT_ROLE_HELD: _ClassVar[ReadinessCondition.Kind]
        KIND_SIGNER_HAS_GAS_MONEY: _ClassVar[ReadinessCondition.Kind]
    KIND_UNSPECIFIED: ReadinessCondition.Kind
    KIND_LIFECYCLE_CONTRACT_EXISTS: ReadinessCondition.Kind
    KIND_PAYMENT_TOKEN_MATCHES: ReadinessCondition.Kind
    KIND_ASSET_MATCHES: ReadinessCondition.Kind
    KIND_LIFECYCLE_CONTRACT_NOT_PAUSED: ReadinessCondition.Kind
    KIND_PAYOUT_ROLE_HELD: ReadinessCondition.Kind
    KIND_SNAPSHOT_ROLE_HELD: ReadinessCondition.Kind
    KIND_SIGNER_HAS_GAS_MONEY: ReadinessCondition.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    SATISFIED_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    kind: ReadinessCondition.Kind
    satisfied: bool
    detail: str
    remedy: str
    def __init__(self, kind: _Optional[_Union[ReadinessCondition.Kind, str]] = ..., satisfied: _Optional[bool] = ..., detail: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...
