"""Tables, sessions and the scope that every transaction carries.

A session is opened with a scope or not at all. The scope is written into the transaction (`after_begin`,
`set_config(…, true)`), so it ends with the transaction and nothing survives in the pool. The row-level
policies of
the migrations compare with it: no scope, no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    Date,
    DateTime,
    Engine,
    ForeignKeyConstraint,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column

from foundation.encryption import MasterKey
from foundation.ids import new_id
from foundation.scope import FirmScope, HospitalScope, PlatformScope, Scope, ScopeMissing, settings_of

TableClass = Literal["tenant", "firm", "platform"]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables. Each names its class: *tenant*, *firm* or *platform*."""

    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)
    table_class: ClassVar[TableClass]
    append_only: ClassVar[bool] = False
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        date: Date(),
        str: Text(),
        bytes: LargeBinary(),
        Decimal: Numeric(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        int: BigInteger(),
    }


class TenantRow(Base):
    """A row of one hospital: the key begins with the hospital, and so does every unique and foreign key."""

    __abstract__ = True
    table_class = "tenant"
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


class FirmRow(Base):
    """A row of one firm."""

    __abstract__ = True
    table_class = "firm"
    firm_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


class PlatformRow(Base):
    """A row of the platform; holds no patient data (the short written list is in docs/security.md)."""

    __abstract__ = True
    table_class = "platform"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


def tenant_fk(table: str, column: str) -> ForeignKeyConstraint:
    """A foreign key that cannot point into another hospital: (tenant_id, column) → table(tenant_id, id)."""
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"])


class ScopedSession(Session):
    """A session that knows its scope; see `HospitalSession`, `FirmSession`, `PlatformSession`."""

    scope: Scope

    def __init__(self, *, scope: Scope | None = None, **options: Any) -> None:
        if scope is None:
            raise ScopeMissing("a database session is opened with a scope")
        self.scope = scope
        super().__init__(**options)


class HospitalSession(ScopedSession):
    """A session over exactly one hospital."""

    scope: HospitalScope

    @property
    def tenant_id(self) -> UUID:
        """The hospital whose rows this session sees."""
        return self.scope.tenant_id


class FirmSession(ScopedSession):
    """A session over one firm and some of its hospitals."""

    scope: FirmScope

    @property
    def firm_id(self) -> UUID:
        """The firm whose rows this session sees."""
        return self.scope.firm_id

    @property
    def tenant_ids(self) -> tuple[UUID, ...]:
        """The hospitals whose rows this session sees."""
        return self.scope.tenant_ids


class PlatformSession(ScopedSession):
    """A session that sees platform tables only."""

    scope: PlatformScope


@event.listens_for(ScopedSession, "after_begin", propagate=True)
def _apply_scope(session: ScopedSession, _transaction: SessionTransaction, connection: Connection) -> None:
    """Write the scope into the transaction that has just begun; it ends with the transaction."""
    values = settings_of(session.scope)
    connection.execute(
        text("SELECT set_config('careloop.tenant_ids', :t, true), set_config('careloop.firm_id', :f, true)"),
        {"t": values["careloop.tenant_ids"], "f": values["careloop.firm_id"]},
    )
    if isinstance(session.scope, HospitalScope) and session.scope.read_only:
        connection.execute(text("SET TRANSACTION READ ONLY"))


def afterwards(session: HospitalSession, write: Callable[[HospitalSession], None]) -> None:
    """Write in a transaction of its own once this one has ended, whether it was kept or undone.

    For what must be on record although the transaction cannot hold it: a refusal, or a look by somebody who
    may only read.
    """
    session.info.setdefault("afterwards", []).append(write)


S = TypeVar("S", bound=ScopedSession)
AfterCommit = Callable[[list[UUID]], None]


class Database:
    """Opens sessions. `bind` is an engine, or in tests one connection whose outer transaction is rolled back.

    Units: one `with database.hospital(scope) as session:` block is one transaction; it commits at the end
    of the
    block and rolls back when the block raises. Work queued in it (foundation.outbox) is handed to
    `after_commit`.
    """

    def __init__(
        self,
        bind: Engine | Connection,
        *,
        master_key: MasterKey | None = None,
        after_commit: AfterCommit | None = None,
    ) -> None:
        self.bind = bind
        self.master_key = master_key
        self.after_commit = after_commit

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        master_key: MasterKey,
        pool_size: int = 10,
        application_name: str = "careloop",
        durable: bool = True,
    ) -> Database:
        """A database by libpq URL (`postgresql://…`), as the runtime role.

        Without `durable` a power cut may lose the last second: for what can simply be told again, such as a
        demo.
        """
        options = "-c timezone=UTC" + ("" if durable else " -c synchronous_commit=off")
        engine = create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=pool_size,
            max_overflow=10,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"application_name": application_name, "options": options},
        )
        return cls(engine, master_key=master_key)

    @contextmanager
    def hospital(self, scope: HospitalScope) -> Iterator[HospitalSession]:
        """One transaction over one hospital; then what was left for `afterwards`."""
        opened = HospitalSession(scope=scope, **self._options())
        try:
            with self._unit_of_work(opened) as session:
                yield session
        finally:
            for write in opened.info.pop("afterwards", []):
                with self.hospital(replace(scope, read_only=False)) as late:
                    write(late)

    @contextmanager
    def firm(self, scope: FirmScope) -> Iterator[FirmSession]:
        """One transaction over one firm and the hospitals named in the scope."""
        with self._unit_of_work(FirmSession(scope=scope, **self._options())) as session:
            yield session

    @contextmanager
    def platform(self, scope: PlatformScope) -> Iterator[PlatformSession]:
        """One transaction over the platform tables."""
        with self._unit_of_work(PlatformSession(scope=scope, **self._options())) as session:
            yield session

    @contextmanager
    def together(self) -> Iterator[Database]:
        """Several scopes, one after the other, in one transaction: all of it is kept or nothing.

        For what crosses a wall with the word of both sides (a hospital that changes firms). The sessions of
        the database given must not overlap: each sets its scope anew. What they queue is sent afterwards.
        """
        queued: list[UUID] = []
        begun = self.bind.begin_nested if isinstance(self.bind, Connection) else self.bind.begin
        with begun() as held:
            connection = self.bind if isinstance(self.bind, Connection) else held
            yield Database(connection, master_key=self.master_key, after_commit=queued.extend)  # type: ignore[arg-type]
        if queued and self.after_commit is not None:
            self.after_commit(queued)

    def close(self) -> None:
        """Give back all connections."""
        if isinstance(self.bind, Engine):
            self.bind.dispose()

    def _options(self) -> dict[str, Any]:
        return {
            "bind": self.bind,
            "expire_on_commit": False,
            "join_transaction_mode": "create_savepoint",
            "info": {"master_key": self.master_key},
        }

    @contextmanager
    def _unit_of_work(self, session: S) -> Iterator[S]:
        with session:
            yield session
            session.commit()
            queued: list[UUID] = session.info.pop("outbox", [])
        if queued and self.after_commit is not None:
            self.after_commit(queued)
