from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class TokenAmount(_message.Message):
    __slots__ = ("base_units", "decimal_amount", "decimals", "symbol", "token")
    BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    DECIMAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    base_units: str
    decimal_amount: str
    decimals: int
    symbol: str
    token: str
    def __init__(self, base_units: _Optional[str] = ..., decimal_amount: _Optional[str] = ..., decimals: _Optional[int] = ..., symbol: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class AmountInput(_message.Message):
    __slots__ = ("base_units", "decimal_amount")
    BASE_UNITS_FIELD_NUMBER: _ClassVar[int]
    DECIMAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    base_units: str
    decimal_amount: str
    def __init__(self, base_units: _Optional[str] = ..., decimal_amount: _Optional[str] = ...) -> None: ...
