"""Shared by all tests."""

import os

# Tests run beside one another's child processes on few cores, where OpenMP's spinning threads slow each other down;
# the models here are too small to gain from a second thread. Read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
