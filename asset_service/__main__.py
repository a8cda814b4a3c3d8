"""`python -m asset_service`."""

from asset_service.bootstrap import definition
from libs.service import main

main(definition)
