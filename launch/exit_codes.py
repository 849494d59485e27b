"""How commands end: done, failed, misused, or preempted and to be run again."""

DONE, FAILED, BAD_USAGE, PREEMPTED = 0, 1, 2, 75
