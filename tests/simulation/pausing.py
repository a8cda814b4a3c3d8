"""Somebody who pauses and unpauses the asset: asset_service tells of it by events, late, twice, out of order."""

from dataclasses import dataclass

from payout_service.application.contract.request_pause import RequestPauseCommand
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState
from tests.simulation.operators import Events
from tests.simulation.watching import InvariantError
from tests.simulation.world import ASSET_ID, World


@dataclass(slots=True)
class Pauser:
    """The asset's version grows with every request, and with other changes in between."""

    world: World
    events: Events
    version: int = 1

    def tick(self) -> None:
        """Perhaps changes their mind."""
        with self.world.dice.deed("pauser"):
            if self.world.dice.happens(self.world.odds.pause):
                self._request(self.world.dice.happens(0.5, "paused"))

    def end(self) -> None:
        """The asset shall be paid, whatever was asked for before."""
        self._request(paused=False)

    def look_after(self) -> None:
        """Asks once more for what a forgotten pause has undone."""
        if self._is_undone() and self._is_answered() and self.events.is_done:
            with self.world.dice.at("pauser"):
                self._request(paused=False)

    def is_done(self) -> bool:
        """Whether the newest request has come to an end and holds."""
        return self._is_answered() and not self._is_undone()

    def _is_answered(self) -> bool:
        contract = self._contract()
        return contract is None or contract.pause_request is None

    def _is_undone(self) -> bool:
        """A pause that a restored backup has forgotten was sent before it, and mined after the last request."""
        return self.world.is_restored and self.world.chain.paused and self._contract() is not None

    def check_end(self) -> None:
        """The newest request won, and the chain is as it wants."""
        contract = self._contract()
        if contract is None:
            return
        carried_out = (contract.pause_request_version, contract.pause_request, contract.pause_problem)
        if carried_out != (self.version, None, ""):
            raise InvariantError("pause_not_carried_out", f"version {self.version} is asked for: {contract}")
        if self.world.chain.paused or contract.is_paused:
            raise InvariantError("pause_differs", f"the chain says {self.world.chain.paused}: {contract}")

    def _request(self, paused: bool) -> None:
        self.version += self.world.dice.number(1, 4, "versions")
        self.world.note(f"version {self.version} of the asset is to be {'paused' if paused else 'unpaused'}")
        self.events.publish(RequestPauseCommand(ASSET_ID, self.version, paused), self.world.tick)

    def _contract(self) -> LifecycleContract | None:
        """The contract, unless it has failed."""
        found: LifecycleContract | None = self.world.database.rows("lifecycle").get(ASSET_ID)
        return found if found and found.state is not LifecycleState.FAILED else None
