"""Money in lifecycle contracts: available, promised, swept."""
