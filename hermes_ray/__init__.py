"""hermes-ray: live video that anyone can question.

The rooms of this package, and which may import which, are described in ``hermes_ray/README.md``.
"""

__version__ = "0.1.0"
