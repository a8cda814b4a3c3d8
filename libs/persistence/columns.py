"""The column types that all services share."""

from decimal import Decimal

from sqlalchemy import Dialect, Numeric, TypeDecorator


class BaseUnitsType(TypeDecorator[int]):
    """An integer of base units: NUMERIC(78, 0), which holds any uint256; an int in Python, never a float."""

    impl = Numeric(78, 0)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """To the driver. Decimal(int) is exact whatever the context's precision is."""
        return None if value is None else Decimal(value)

    def process_result_value(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """From the driver. Exact: the column has no fraction."""
        return None if value is None else int(value)
