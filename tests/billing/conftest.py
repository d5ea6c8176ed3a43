"""What the tests of billing share."""

from collections.abc import Iterator

import pytest
from stripe_desk import Desk, stripe_desk_of
from world import World


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    """A firm that bills by link, with a local Stripe."""
    with stripe_desk_of(world) as made:
        yield made
