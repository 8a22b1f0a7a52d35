"""`python -m ml_model_service`."""

import os
import sys

from ml_model_service.main import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
# Not sys.exit: that joins every thread, also one in which a model is still loading.
os._exit(code)
