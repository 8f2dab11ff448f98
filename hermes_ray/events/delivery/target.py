"""What a target of deliveries offers, whatever it speaks."""

from typing import Protocol

from hermes_ray.events.kept import KeptEvent


class Target(Protocol):
    """Somebody who is told of events, one after the other."""

    give_up_after_s: float
    """How long one event is tried, seconds."""
    takes_old_events: bool
    """Whether an event may come behind later ones: nobody takes it for how things are now."""

    async def keep(self) -> None:
        """Be there between events too, where that means something. Raises ``DeliveryFailed``."""
        ...

    async def deliver(self, kept: KeptEvent) -> None:
        """Hand over an event; it may have been handed over before. Raises ``DeliveryFailed``."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
