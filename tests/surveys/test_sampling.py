"""A draw that a hospital can check: same seed, same people."""

import random
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from surveys.sampling import draw, rank, sample_size

some_ids = st.sets(st.uuids(), max_size=60)
rates = st.decimals(0, 1, places=3)


@given(some_ids, rates, st.text(max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    ids: set[UUID], rate: Decimal, seed: str, shuffle: random.Random
) -> None:
    listed = sorted(ids)
    drawn = draw(listed, rate, seed)
    shuffle.shuffle(listed)
    assert draw(listed, rate, seed) == drawn
    assert drawn <= ids
    assert len(drawn) == sample_size(len(ids), rate)
    # At least the rate, and never one person more than that takes.
    assert Decimal(len(drawn)) >= rate * len(ids) > Decimal(len(drawn)) - 1


@given(some_ids, rates, rates, st.text(max_size=8))
def test_a_higher_rate_only_adds_people(ids: set[UUID], one: Decimal, other: Decimal, seed: str) -> None:
    low, high = sorted((one, other))
    assert draw(ids, low, seed) <= draw(ids, high, seed)


@given(some_ids, st.text(max_size=8))
def test_every_inpatient_is_drawn_at_one_hundred_percent(ids: set[UUID], seed: str) -> None:
    assert draw(ids, Decimal(1), seed) == ids
    assert draw(ids, Decimal(0), seed) == set()


def test_another_seed_draws_other_people_and_each_about_as_often() -> None:
    ids = [UUID(int=n) for n in range(200)]
    assert draw(ids, Decimal("0.1"), "2026-03") != draw(ids, Decimal("0.1"), "2026-04")
    times = [sum(one in draw(ids, Decimal("0.1"), f"s{seed}") for seed in range(300)) for one in ids[:20]]
    assert all(10 <= count <= 55 for count in times)


def test_the_rank_is_the_databases_md5_of_seed_and_id() -> None:
    # SELECT md5('2026Q1' || '00000000-0000-0000-0000-00000000000a'::uuid::text)
    assert rank(UUID(int=10), "2026Q1") == rank("00000000-0000-0000-0000-00000000000a", "2026Q1")
    assert rank("", "abc") == "900150983cd24fb0d6963f7d28e17f72"


def test_the_database_draws_the_same_people(engine: Engine) -> None:
    ids = [UUID(int=7919 * n) for n in range(1, 134)]
    statement = text(
        """
        SELECT id FROM unnest(CAST(:ids AS uuid[])) AS id
         ORDER BY md5(:seed || id::text) COLLATE "C", id
         LIMIT ceil(CAST(:rate AS numeric) * cardinality(CAST(:ids AS uuid[])))
        """
    )
    with engine.connect() as connection:
        for rate in (Decimal("0.1"), Decimal("0.333"), Decimal(1)):
            rows = connection.execute(statement, {"ids": ids, "seed": "2026-03 门诊", "rate": rate})
            assert set(rows.scalars()) == draw(ids, rate, "2026-03 门诊")


def test_a_rate_is_exact_and_between_none_and_all() -> None:
    assert sample_size(70, Decimal("0.1")) == 7
    assert sample_size(14, Decimal("0.1")) == 2
    for rate in (Decimal("-0.1"), Decimal("1.01")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            sample_size(10, rate)
