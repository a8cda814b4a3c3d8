"""chain_sync_service on a mirror node."""
