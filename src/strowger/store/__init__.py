"""SQL on PostgreSQL: `ports.CallStore`, `ports.Records` and `ports.Outbox`, and the job queue.

`embedded` starts a server where there is none, `migrate` makes its tables, `connect` opens a pool.
Nothing is imported here: a process that only starts the server needs none of the rest.
"""
