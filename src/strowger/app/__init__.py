"""The composition root: builds the parts of each process and ends them in order.

`api` and `worker` are the processes, `database` comes before both. Only here is known which adapter
fills which port.
"""
