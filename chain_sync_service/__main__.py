"""Entry of `python -m chain_sync_service`."""

import sys

from chain_sync_service.bootstrap import define
from libs.config import SettingsError
from libs.service import main

if __name__ == "__main__":
    try:
        main(define)
    except SettingsError as error:
        # Found only when the node was asked; libs.service reports those that the environment alone shows.
        sys.stderr.write(f"wrong settings: {error}\n")
        sys.exit(2)
