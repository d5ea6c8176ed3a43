"""Hot spots (高发区域/岗位, S0-36): department × tag with a minimum cell.

One or two cases of a department name a person to whoever knows the ward; from three on they are a pattern.
The tags' totals are published beside the table, so a column with a single hidden cell would give it away by
subtraction: then the smallest shown cell of that column is hidden too (secondary suppression, A10.6).
"""

from collections.abc import Mapping, Sequence

from reporting.figures import Heat, HeatCell, Problem

MINIMUM_CELL = 3
MOST_TAGS = 6


def heat_table(
    counts: Mapping[tuple[str, str], int], problems: Sequence[Problem], *, minimum: int = MINIMUM_CELL
) -> Heat:
    """The table of ``counts`` by (department, tag), for the first tags of ``problems`` (most frequent first).

    A tag without a cell that may be shown is left out: it has no hot spot.
    """
    columns: dict[str, dict[str, int]] = {}
    for (place, tag), n in counts.items():
        if n > 0:
            columns.setdefault(tag, {})[place] = n
    hidden = {tag: _hidden(column, minimum) for tag, column in columns.items()}
    telling = [one for one in problems if columns.get(one.tag, {}).keys() - hidden.get(one.tag, set())]
    tags = telling[:MOST_TAGS]
    cells = [
        HeatCell(place, one.tag, None if place in hidden[one.tag] else n)
        for one in tags
        for place, n in sorted(columns[one.tag].items())
    ]
    weight: dict[str, int] = {}
    for cell in cells:
        weight[cell.department] = weight.get(cell.department, 0) + (cell.count or 0)
    departments = sorted(weight, key=lambda place: (-weight[place], place))
    occurring = sum(one.count > 0 for one in problems)
    return Heat(minimum, tags, departments, cells, occurring - len(tags))


def _hidden(column: Mapping[str, int], minimum: int) -> set[str]:
    """The places not shown: the small ones, and the smallest other where the total would tell."""
    hidden = {place for place, n in column.items() if n < minimum}
    others = sorted(column.keys() - hidden, key=lambda place: (column[place], place))
    if hidden and others and _known(sum(column[place] for place in hidden), len(hidden), minimum):
        # One more is enough: a reader cannot tell it from the small ones.
        hidden.add(others[0])
    return hidden


def _known(total: int, cells: int, minimum: int) -> bool:
    """Whether ``cells`` numbers of 1 to ``minimum`` - 1 are known from their sum alone."""
    return cells == 1 or total in (cells, cells * (minimum - 1))
