"""Who is asked: a draw that anybody can repeat (抽样, S3-5, S2-15).

Every key gets the rank of ``md5(seed || key)``; the first ``ceil(rate * n)`` are drawn. The order in which
the keys arrive does not matter, and a higher rate only adds people. The stored seed and list repeat the draw.
A key is a number of the hospital's own (门诊号), not an id that a second import would make anew.

The same in PostgreSQL, for a set that stays in the database::

    SELECT id FROM encounter WHERE ...
     ORDER BY md5(:seed || record_number) COLLATE "C", record_number COLLATE "C"
     LIMIT ceil(:rate::numeric * (SELECT count(*) FROM encounter WHERE ...))

A larger set draws more people but not always the same ones as well: somebody who arrives late may rank before
somebody drawn. Who has been drawn stays drawn, so late arrivals are added by `surveys.samples.extend_sample`.

md5 spreads, it hides nothing: no secret depends on it.
"""

import hashlib
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar
from uuid import UUID

Id = TypeVar("Id", UUID, str)


def draw(ids: Iterable[Id], rate: Decimal, seed: str, *, frame_size: int | None = None) -> set[Id]:
    """The sample of ``ids`` (each counted once) at ``rate`` (0 to 1, so 10 % is 0.10).

    At least the rate is always reached: of 14 outpatients at 10 % two are drawn. Where not everybody of the
    frame may be asked, ``frame_size`` is all of it: 10 % of 300 visits is 30 people, though only 280 can be
    reached.
    ValueError outside 0 to 1.
    """
    distinct = set(ids)
    wanted = sample_size(len(distinct) if frame_size is None else frame_size, rate)
    return set(sorted(distinct, key=lambda one: (rank(one, seed), str(one)))[:wanted])


def sample_size(n: int, rate: Decimal) -> int:
    """``ceil(rate * n)``, exactly. ValueError for a rate outside 0 to 1."""
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate lies between 0 and 1, not {rate}")
    return int((rate * n).to_integral_value(rounding=ROUND_CEILING))


def rank(one: UUID | str, seed: str) -> str:
    """The hexadecimal digest that orders the draw: PostgreSQL's ``md5(seed || key::text)``."""
    return hashlib.md5(f"{seed}{one}".encode(), usedforsecurity=False).hexdigest()
