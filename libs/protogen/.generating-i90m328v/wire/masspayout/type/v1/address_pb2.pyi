from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AccountAddress(_message.Message):
    __slots__ = ("evm_address", "hedera_id")
    EVM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HEDERA_ID_FIELD_NUMBER: _ClassVar[int]
    evm_address: str
    hedera_id: str
    def __init__(self, evm_address: _Optional[str] = ..., hedera_id: _Optional[str] = ...) -> None: ...
