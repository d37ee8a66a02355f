"""The HTTP service `photomend serve`: jobs as resources, one worker process that owns the device.

The web process (`app`, with `supervisor`) keeps jobs, events and results in a `store`: one SQLite
file and a folder. The `worker` process takes one job after the other and does what the command line
would do. Either may be killed at any time: a job belongs to whoever holds its lease.
"""
