"""Who is served first when several processes want the same processor.

A worker's packets leave every 20 ms. Where it has to wait for a turn, as all others do, that takes
5 ms and more at a time, and everybody on the telephone hears it. So it asks to come before others.
"""

import os

LIMIT = "LimitNICE=-10 in a systemd unit, CAP_SYS_NICE in a container"
"""What lets a process that is not root's take precedence."""


def take_precedence(niceness: int, *, process: int = 0) -> bool:
    """Let this process, or another, come before those of a higher niceness (-20 to 19; 0 is usual).

    False where the system does not let: a lower value than before takes root, CAP_SYS_NICE or a
    limit that says so. On Linux it is for a process's first thread, and for those started after.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, process, niceness)
    except PermissionError:
        return False
    return True
