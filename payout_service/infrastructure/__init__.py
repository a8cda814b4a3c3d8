"""PostgreSQL, the EVM chain and signing behind the application's ports."""
