"""`make chaos`: kill -9 at every failpoint of payout_service, on a real stack, and what was found then and after.

At least one case a failpoint (cases.py): payout_service runs with it set to kill, a scenario gives it work
(scenarios.py, unhappy.py; kinds.py for dividends, coupons, redemptions and deferrals), and when it has killed
itself PostgreSQL and the chain are read (books.py, chain.py) and compared with the state that the failpoint names
(checks.py, kind_checks.py). Then the service is started without it, and in the end every holder's balance is
compared with amounts computed here from the holders that the run itself issued (final.py), a bond's token by token
(replay.py).
"""

import os

# Processes are started while gRPC's threads run. Its fork handlers, read when grpc is imported, crash such a child
# now and then before it becomes what it shall be.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
