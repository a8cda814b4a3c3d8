"""The ports to the database and to the chain that the use cases need, one per module."""
