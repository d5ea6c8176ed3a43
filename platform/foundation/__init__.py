"""What every package stands on, knowing nothing of hospitals.

Owns settings, the embedded or given PostgreSQL with its *owner* and *runtime* role, the *scope* (作用域)
that a session is opened with and the row-level *policies* that hold it, the *outbox* (发件箱), its sweeper
and the periodic *ticks*, the one actor wrapper, the hash-chained *audit* trail (审计), encrypted
identifiers with their *blind index*, files, the working calendar (工作日历), languages, telemetry, and the
web kit: layout, assets, CSRF protection and the Content-Security-Policy. It imports no other package of
ours.
"""
