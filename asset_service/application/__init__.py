"""Use cases of asset_service, and the ports they need."""
