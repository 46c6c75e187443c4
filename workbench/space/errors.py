"""What goes wrong around a Space."""


class SpaceError(Exception):
    """A Space cannot be built or uploaded. The message names what was wrong and how to mend it."""
