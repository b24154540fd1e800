"""Who is served first when several processes want the same processor.

A worker's packets leave every 20 ms. Where it has to wait for a turn, as all others do, that takes
5 ms and more at a time, and everybody on the telephone hears it. So it asks to come before others.
"""

import os
import time
from pathlib import Path

LIMIT = "LimitNICE=-10 in a systemd unit, CAP_SYS_NICE in a container"
"""What lets a process that is not root's take precedence."""
OF_SESSION = Path("/proc/self/autogroup")
"""Where no service manager divides the processor, Linux divides it among sessions, and niceness
counts only within one: sched(7), autogroup."""
TRIES = 60
"""Of all sessions one at a time may change it, each 0.1 s, where root does not: workers that start
together come one after another."""
TRY_EVERY = 0.05


def take_precedence(niceness: int) -> bool:
    """Come before processes of a higher niceness (-20 to 19; 0 is usual).

    False where the system does not let: a lower value than before takes root, CAP_SYS_NICE or a
    limit that says so. It is for the calling thread, and for what that starts.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    except PermissionError:
        return False
    if os.getsid(0) == os.getpid():  # the session is ours alone, as that of each worker is
        _tell_session(niceness)
    return True


def _tell_session(niceness: int) -> None:
    for _ in range(TRIES):
        try:
            OF_SESSION.write_text(str(niceness))
        except BlockingIOError:  # another process was first
            time.sleep(TRY_EVERY)
        except OSError:  # this system has none, or does not let
            return
        else:
            return
