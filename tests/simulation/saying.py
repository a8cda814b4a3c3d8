"""What the command-line tools of the simulation say, line by line."""

import sys


def say(line: object) -> None:
    """Writes a line and shows it at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
