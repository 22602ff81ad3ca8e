"""What outlives a process, in SQL: one set of tables for SQLite and PostgreSQL. Wiring imports it, nobody else."""
