"""What `careloop.walls` asks of PostgreSQL's catalogue: the schema `public`, without Alembic's own table."""

TABLES = """
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
   AND c.relkind IN ('r', 'p', 'f') ORDER BY 1
"""

SECURITY = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
   AND c.relkind IN ('r', 'p') ORDER BY 1
"""

# `polroles` holds 0 where a policy is for all roles. Both expressions as the server writes them.
POLICIES = """
SELECT c.relname, p.polname, p.polcmd::text, p.polpermissive, p.polroles = '{0}'::oid[],
       pg_get_expr(p.polqual, p.polrelid), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'nothing said')
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
 WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1, 2
"""
PATTERN = """
SELECT p.polname, pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p
 WHERE p.polrelid = 'pg_temp.wall_pattern'::regclass
"""

NULLABLE = """
SELECT c.relname, array_agg(a.attname::text) FILTER (WHERE NOT a.attnotnull)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
   AND c.relkind IN ('r', 'p')
 GROUP BY c.relname HAVING bool_or(NOT a.attnotnull) ORDER BY 1
"""

# Every unique index, whether a constraint made it or not. An index over an expression has no column there.
UNIQUE = """
SELECT c.relname, n.relname, array_agg(coalesce(a.attname::text, '(expression)') ORDER BY k.position),
       i.indisprimary
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid
 CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
   AND i.indisunique AND k.position <= i.indnkeyatts
 GROUP BY c.relname, n.relname, i.indisprimary ORDER BY 1, 2
"""

FOREIGN_KEYS = """
SELECT c.relname, k.conname, array_agg(a.attname::text ORDER BY p.position), t.relname,
       array_agg(b.attname::text ORDER BY p.position)
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
 CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS p (here, there, position)
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.here
  JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = p.there
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
   AND k.contype = 'f'
 GROUP BY c.relname, k.conname, t.relname ORDER BY 1, 2
"""

VIEWS = """
SELECT c.relname, c.relkind::text,
       EXISTS (SELECT FROM pg_options_to_table(c.reloptions) o
                WHERE o.option_name = 'security_invoker' AND o.option_value::bool)
  FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
   AND c.relkind IN ('v', 'm') ORDER BY 1
"""

FUNCTIONS = """
SELECT p.proname, pg_get_function_identity_arguments(p.oid) FROM pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef ORDER BY 1, 2
"""

# A right on one column counts as the right itself. MAINTAIN (PostgreSQL 17) is none of the product's either.
RIGHTS = """
SELECT c.relname, array_agg(r.name)
  FROM pg_class c
 CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER',
                         'MAINTAIN']) AS r (name)
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND (has_table_privilege(%(role)s, c.oid, r.name)
        OR (r.name IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
            AND has_any_column_privilege(%(role)s, c.oid, r.name)))
 GROUP BY c.relname ORDER BY 1
"""

# Setting a sequence back would let one hospital disturb another; drawing from it does not.
SEQUENCES = """
SELECT c.relname, 'UPDATE' FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S'
   AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(%(role)s, c.oid, 'UPDATE') END ORDER BY 1
"""

FOR_EVERYBODY = """
SELECT DISTINCT c.relname FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS g
 WHERE c.relnamespace = 'public'::regnamespace AND g.grantee = 0 ORDER BY 1
"""

CREATING = """
SELECT 'schema ' || n.nspname FROM pg_namespace n
 WHERE n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
   AND has_schema_privilege(%(role)s, n.oid, 'CREATE')
UNION ALL
SELECT 'the database' WHERE has_database_privilege(%(role)s, current_database(), 'CREATE')
"""

ATTRIBUTES = (
    "is a superuser",
    "may bypass row-level security",
    "may create roles",
    "may create databases",
    "may replicate",
)
ROLE = """
SELECT r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication
  FROM pg_roles r WHERE r.rolname = %(role)s
"""
# Temporary tables live for one import and belong to whoever makes them.
OWNED = """
WITH me AS (SELECT oid FROM pg_roles WHERE rolname = %(role)s)
SELECT 'the relation', c.oid::regclass::text FROM pg_class c, me
 WHERE c.relowner = me.oid AND c.relpersistence <> 't' AND c.relnamespace <> 'pg_toast'::regnamespace
UNION ALL
SELECT 'the function', p.oid::regprocedure::text FROM pg_proc p, me WHERE p.proowner = me.oid
UNION ALL
SELECT 'the schema', n.nspname FROM pg_namespace n, me WHERE n.nspowner = me.oid
UNION ALL
SELECT 'the database', d.datname FROM pg_database d, me WHERE d.datdba = me.oid
"""
GROUPS = """
SELECT m.roleid::regrole::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
 WHERE r.rolname = %(role)s ORDER BY 1
"""
