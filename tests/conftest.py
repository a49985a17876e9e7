"""Hypothesis tries the same examples on every machine and every run; `--hypothesis-profile=explore` has it try others.

No example has a time limit: other sessions take the processors while it runs.
"""

from hypothesis import settings

settings.register_profile("explore", settings.get_profile("ci"), derandomize=False)
settings.load_profile("ci")
