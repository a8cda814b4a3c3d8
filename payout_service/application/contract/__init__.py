"""An asset's lifecycle contract: deployed or found, paused, ready to pay."""
