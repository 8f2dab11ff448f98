"""Settings for processes elsewhere, with references in place of secrets.

Ray keeps the arguments of actors and deployments, and shows them to whoever reads its state.
"""

import os
from typing import Any

from pydantic import SecretStr

from hermes_ray.config.tree import SASL_PASSWORD_VARIABLE, Settings


def referring(settings: Settings) -> Settings:
    """The same without the password that this process has from its environment: others read it from theirs.

    A password out of a settings file or of the command line stays in: nobody else has it.
    """
    if not _is_of_environment(settings.kafka.sasl_password):
        return settings
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"sasl_password": None})})


def referring_arguments(settings: Settings) -> dict[str, Any]:
    """:func:`referring` in the shape of the tree, for :func:`~hermes_ray.config.load` to merge with an environment."""
    tree = settings.model_dump()
    if _is_of_environment(settings.kafka.sasl_password):
        del tree["kafka"]["sasl_password"]
    return tree


def give_to_children(settings: Settings) -> None:
    """Put the password into this process's environment, for those that it is about to start."""
    if settings.kafka.sasl_password is not None:
        os.environ[SASL_PASSWORD_VARIABLE] = settings.kafka.sasl_password.get_secret_value()


def _is_of_environment(password: SecretStr | None) -> bool:
    return password is not None and os.environ.get(SASL_PASSWORD_VARIABLE) == password.get_secret_value()
