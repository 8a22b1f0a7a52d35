"""`python -m ml_model_service`."""

import os
import signal
import sys

# Before anything else is loaded: PID 1 of a container hears no signal that it has not asked for, and until the
# service listens there is nothing to finish.
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: os._exit(0))

from ml_model_service.main import main  # noqa: E402

code = main()
sys.stdout.flush()
sys.stderr.flush()
# Not sys.exit: that joins every thread, also one in which a model is still loading.
os._exit(code)
