"""`python -m ml_model_service`."""

import sys

from ml_model_service.main import main

sys.exit(main())
