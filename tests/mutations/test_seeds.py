"""Each mistake can still be made: where it goes, there is what it replaces, once."""

from __future__ import annotations

import pytest

from tests.mutations import capture, delivery, seeded
from tests.mutations.run import source_of
from tests.mutations.seeded import Mutation

MUTATIONS = {**seeded.MUTATIONS, **delivery.MUTATIONS, **capture.MUTATIONS}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_its_place(mutation: Mutation) -> None:
    """Code that moves takes its mistakes along."""
    source = source_of(mutation).read_text(encoding="utf-8")
    assert source.count(mutation.right) == 1
    assert mutation.wrong != mutation.right
