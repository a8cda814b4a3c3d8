"""The use cases of asset_service, and the ports that they need."""
