"""chain_sync_service: follows the chain, tells what tokens are, and publishes how holdings change."""
