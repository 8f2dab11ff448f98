"""Settings for processes elsewhere, with references in place of secrets.

Ray keeps the arguments of actors and deployments, and shows them to whoever reads its state.
"""

import os
from typing import Any

from pydantic import SecretStr

from hermes_ray.config.events import DATABASE_PASSWORD_VARIABLE
from hermes_ray.config.tree import SASL_PASSWORD_VARIABLE, Settings

_SECRETS = {
    ("kafka", "sasl_password"): SASL_PASSWORD_VARIABLE,
    ("events", "database_password"): DATABASE_PASSWORD_VARIABLE,
}
"""Section and field of each secret, and the variable that may hold it."""


def referring(settings: Settings) -> Settings:
    """The same without the passwords that this process has from its environment: others read them from theirs.

    A password out of a settings file or of the command line stays in: nobody else has it.
    """
    for section, field in _of_environment(settings):
        without = getattr(settings, section).model_copy(update={field: None})
        settings = settings.model_copy(update={section: without})
    return settings


def referring_arguments(settings: Settings) -> dict[str, Any]:
    """:func:`referring` in the shape of the tree, for :func:`~hermes_ray.config.load` to merge with an environment."""
    tree = settings.model_dump()
    for section, field in _of_environment(settings):
        del tree[section][field]
    return tree


def give_to_children(settings: Settings) -> None:
    """Put the passwords into this process's environment, for those that it is about to start."""
    for (section, field), variable in _SECRETS.items():
        password: SecretStr | None = getattr(getattr(settings, section), field)
        if password is not None:
            os.environ[variable] = password.get_secret_value()


def _of_environment(settings: Settings) -> list[tuple[str, str]]:
    return [
        (section, field)
        for (section, field), variable in _SECRETS.items()
        if (password := getattr(getattr(settings, section), field)) is not None
        and os.environ.get(variable) == password.get_secret_value()
    ]
