"""From messages to encounters: every visit that was spoken of is brought to what all its messages say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select

from foundation.database import HospitalSession
from patients import feed_rows, feed_store, withdrawal
from patients.adt.folding import VisitState, fold
from patients.feeds.fields import read_count, read_date
from patients.models import DataImport, Encounter, FeedMessage

Key = tuple[str, str, int]  # kind, record number, admission count: what makes an encounter one


@dataclass(slots=True)
class Story:
    """One visit: its messages, those that are new, and what they say before and after them."""

    visit_number: str
    rows: list[FeedMessage]
    new: list[FeedMessage]
    before: VisitState | None
    after: VisitState
    key: Key | None = None

    @property
    def stood(self) -> Key | None:
        """The encounter that this visit made, None while it made none."""
        claimed = next((row for row in self.rows if row.admission_count is not None), None)
        if claimed is None or claimed.admission_count is None:
            return None
        visit = (self.before or self.after).visit
        return visit, claimed.record_number, claimed.admission_count


@dataclass(slots=True)
class Settled:
    """What became of the visits: counts of the import, and how many encounters were taken back."""

    counts: dict[str, int] = field(default_factory=dict)
    withdrawn: int = 0

    def add(self, counts: Mapping[str, int]) -> None:
        """Add the counts of one more take."""
        self.counts = {name: self.counts.get(name, 0) + count for name, count in counts.items()}


def stories(session: HospitalSession, new: Sequence[FeedMessage]) -> list[Story]:
    """The visits that these messages speak of, with all that is known of them.

    What is said of a person alone speaks of the latest visit that stands.
    """
    numbers = {row.record_number for row in new}
    people = feed_store.people(session, numbers)
    known = numbers.union(*(person.numbers for person in people.values()))
    rows = feed_store.of_numbers(session, known)
    events = feed_store.events_of(session, rows)
    own = {
        number: frozenset({number, *(people[number].numbers if number in people else ())})
        for number in numbers
    }
    ids, found = {row.id for row in new}, []
    for mine in dict.fromkeys(own.values()):
        of_person = [row for row in rows if row.record_number in mine]
        for visit_number in _spoken_of(of_person, ids):
            spoken = [row for row in of_person if row.visit_number in {visit_number, ""}]
            after = fold(events[row.id] for row in spoken if row.id in events)
            if after is not None:
                before = fold(events[row.id] for row in spoken if row.id in events and row.id not in ids)
                fresh = [row for row in spoken if row.id in ids]
                found.append(Story(visit_number, spoken, fresh, before, after))
    return found


def _spoken_of(rows: Iterable[FeedMessage], new: set[UUID]) -> list[str]:
    listed = list(rows)
    visits = {row.visit_number: None for row in listed if row.id in new and row.visit_number}
    if any(row.id in new and not row.visit_number for row in listed):
        standing = [row for row in listed if row.visit_number and row.admission_count is not None]
        if standing:
            visits[max(standing, key=lambda row: (row.event_at, row.id)).visit_number] = None
    return list(visits)


def settle(
    session: HospitalSession, found: list[Story], target: DataImport | None, *, now: datetime
) -> Settled:
    """Bring the encounters to what the visits say. `target` is the import that counts what is taken in."""
    known = _Known.of(session, found)
    done = Settled()
    _take_back(session, found, known, done, now=now)
    for visit in ("inpatient", "outpatient"):
        here = [story for story in found if story.after.status == "here" and story.after.visit == visit]
        if here and target is not None:
            _take(session, here, target, known, done, now=now)
    _note_states(session, found)
    return done


@dataclass(slots=True)
class _Known:
    """The encounters of these record numbers, and which visit has which."""

    encounters: list[Encounter]
    claims: dict[tuple[str, int], str]

    @classmethod
    def of(cls, session: HospitalSession, found: list[Story]) -> _Known:
        """Two statements, however many visits there are."""
        numbers = sorted({row.record_number for story in found for row in story.rows})
        encounters = session.scalars(
            select(Encounter).where(
                Encounter.tenant_id == session.tenant_id, Encounter.record_number.in_(numbers)
            )
        ).all()
        claims = session.execute(
            select(FeedMessage.record_number, FeedMessage.admission_count, FeedMessage.visit_number)
            .where(
                FeedMessage.tenant_id == session.tenant_id,
                FeedMessage.record_number.in_(numbers),
                FeedMessage.admission_count.is_not(None),
            )
            .distinct()
        ).all()
        return cls(
            list(encounters), {(row[0], row[1]): row[2] for row in claims if row[2] and row[1] is not None}
        )

    def find(self, key: Key) -> Encounter | None:
        """The encounter with this key."""
        return next((e for e in self.encounters if (e.kind, e.record_number, e.admission_count) == key), None)

    def key_for(self, story: Story) -> Key:
        """Which encounter the visit is: the one it made before, the one with the count that is said, one that
        a list brought with the same day, or the next.
        """
        state, stood = story.after, story.stood
        if stood is not None and stood[0] == state.visit:
            return stood
        number = state.record_number
        said = read_count(state.fields.get("admission_count", ""))
        if said is not None and self.claims.get((number, said), story.visit_number) == story.visit_number:
            return state.visit, number, said
        days = self._days(state)
        same = [e for e in self.encounters if e.kind == state.visit and e.record_number == number]
        for encounter in same:
            claimed = self.claims.get((encounter.record_number, encounter.admission_count))
            if claimed is None and encounter.discharged_on in days:
                return state.visit, encounter.record_number, encounter.admission_count
        counts = [e.admission_count for e in same]
        counts += [count for (claimed_number, count) in self.claims if claimed_number == number]
        return state.visit, number, max(counts, default=0) + 1

    def _days(self, state: VisitState) -> set[date | None]:
        row = state.row(1)
        return {read_date(row.get("discharged_on") or row.get("visited_on") or "")}


def _take_back(
    session: HospitalSession, found: list[Story], known: _Known, done: Settled, *, now: datetime
) -> None:
    """What stood and stands no more; also what stood as a visit of another kind (from casualty to a bed)."""
    gone: list[UUID] = []
    for story in found:
        key = story.stood
        if key is None or (story.after.status == "here" and key[0] == story.after.visit):
            continue
        encounter = known.find(key)
        if encounter is not None and encounter.withdrawn_at is None:
            gone.append(encounter.id)
    if gone:
        done.withdrawn = len(withdrawal.withdraw(session, gone, now=now))


def _take(
    session: HospitalSession,
    here: list[Story],
    target: DataImport,
    known: _Known,
    done: Settled,
    *,
    now: datetime,
) -> None:
    rows = []
    for story in here:
        story.key = known.key_for(story)
        known.claims[story.key[1:]] = story.visit_number
        rows.append(story.after.row(story.key[2]) | {"record_number": story.key[1]})
    took = feed_rows.take(session, target, rows, here[0].after.visit, now=now)
    done.add(took.counts)
    people = feed_store.people(session, {story.key[1] for story in here if story.key})
    back = []
    for place, story in enumerate(here):
        reason = took.rejected.get(place)
        for row in story.new if reason else story.rows:
            row.state, row.reason = ("rejected", reason) if reason else ("applied", "")
            row.import_id = row.import_id or target.id
        if reason is None and story.key is not None:
            back.append(story.key)
            _note_key(story, story.key, people)
    session.flush()
    _bring_back(session, back, now=now)


def _note_key(story: Story, key: Key, people: Mapping[str, feed_store.Person]) -> None:
    """Note on the messages which encounter they are about, and whose it is."""
    person = people.get(key[1])
    for row in story.rows:
        row.patient_id = person.patient_id if person else row.patient_id
        if row.visit_number:
            row.admission_count = key[2] if row.record_number == key[1] else None


def _bring_back(session: HospitalSession, keys: list[Key], *, now: datetime) -> None:
    numbers = sorted({key[1] for key in keys})
    wanted = set(keys)
    rows = session.scalars(
        select(Encounter)
        .where(
            Encounter.tenant_id == session.tenant_id,
            Encounter.record_number.in_(numbers),
            Encounter.withdrawn_at.is_not(None),
        )
        .execution_options(populate_existing=True)
    )
    back = [e.id for e in rows if (e.kind, e.record_number, e.admission_count) in wanted]
    if back:
        withdrawal.reinstate(session, back, now=now)


def _note_states(session: HospitalSession, found: list[Story]) -> None:
    """Messages of a visit that waits, wait; of one that never was, nothing is left to do."""
    for story in found:
        if story.after.status == "here":
            continue
        for row in story.rows:
            if row.visit_number:
                row.state, row.reason = ("waiting" if story.after.status == "waiting" else "applied"), ""
    session.flush()
