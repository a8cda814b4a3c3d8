"""What the use cases need of the database and of the chain, one port a module."""
