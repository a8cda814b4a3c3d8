"""Other services behind the ports."""
