"""The suites, by the names that --suite takes."""

from collections.abc import Callable, Mapping

from launch.benchmarks.suites import evaluate, generate, languages, models, pairwise, queue, train
from launch.benchmarks.suites.options import Options
from launch.benchmarks.timing import Contest

SUITES: Mapping[str, Callable[[Options], list[Contest]]] = {
    "train": train.measure,
    "queue": queue.measure,
    "evaluate": evaluate.measure,
    "generate": generate.measure,
    "pairwise": pairwise.measure,
    "languages": languages.measure,
    "models": models.measure,
}
