"""A module whose import takes long."""

import time

time.sleep(1.5)
