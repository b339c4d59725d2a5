"""Property tests have no deadline: how long an example takes on a busy machine says nothing about the code."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
