"""What following a token means. Standard library only."""
