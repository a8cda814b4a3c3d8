"""`python -m distribution_service`."""

from distribution_service.bootstrap import define
from libs.service import main

if __name__ == "__main__":
    main(define)
