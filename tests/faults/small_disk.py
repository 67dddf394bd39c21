"""The program on a disk of its own, as big as ``DISK_SIZE`` says and mounted where ``DISK_AT`` says.

The disk is memory, in a mount namespace that only this process sees; others reach it below ``/proc/PID/root``. Linux
with user namespaces (``unshare``) only.
"""

import os
import sys

MOUNT = 'mount -t tmpfs -o "size=$DISK_SIZE" none "$DISK_AT" && exec "$@"'

program = [sys.executable, "-m", "debate_caster", *sys.argv[1:]]
os.execvp("unshare", ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", *program])  # noqa: S606
