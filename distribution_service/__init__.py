"""distribution_service: what is owed to the holders of an asset, when, and how far it is paid."""
