"""Learning in context: importing this room registers its tasks, lessons and prompt sets."""

from identjax.studies.in_context import flip, ginc_tasks, regbench_tasks

__all__ = ["flip", "ginc_tasks", "regbench_tasks"]
