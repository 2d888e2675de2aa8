"""Enters a control group, and becomes a command in it. A script without site-packages: `enter.py GROUP COMMAND...`.

GROUP: folder of the control group. Every process that the command starts belongs to it, too.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Write this process's id to the group, and replace the process by the command."""
    group, command = sys.argv[1], sys.argv[2:]
    with open(os.path.join(group, "cgroup.procs"), "w") as file:
        file.write(str(os.getpid()))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
