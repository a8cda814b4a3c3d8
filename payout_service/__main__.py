"""Runs payout_service: `python -m payout_service`."""

from libs.service import main
from payout_service.bootstrap import define

if __name__ == "__main__":
    main(define)
