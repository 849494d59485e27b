"""The one error that a user can mend: a field, its value, and what is allowed."""

import difflib
from collections.abc import Iterable


class ConfigError(ValueError):
    """A setting that cannot be used; commands print it as one line and exit with 2."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field}={value!r}: {allowed}")
        self.field, self.value, self.allowed = field, value, allowed


def unknown_name(field: str, name: object, known: Iterable[str]) -> ConfigError:
    """Make the error for a name that is not known, with the nearest one that is."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ConfigError(field, name, f"{hint}known: {', '.join(names)}")
