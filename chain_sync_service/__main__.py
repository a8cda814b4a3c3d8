"""Entry of `python -m chain_sync_service`."""

from chain_sync_service.bootstrap import define
from libs.service import main

if __name__ == "__main__":
    main(define)
