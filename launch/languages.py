"""Print a language: samples, entropy, rules, how many strings, and prompts of both splits.

python -m launch.languages --language=L4 --max_length=16
"""

import inspect

import jax
import numpy as np
from absl import flags

from identjax import languages
from identjax.languages.describe import describe_language, show_prompts
from identjax.registry import read_pairs
from launch import common

LANGUAGE = flags.DEFINE_string("language", None, "A registered language; without it, all names.")
MAX_LENGTH = flags.DEFINE_integer("max_length", 32, "The most symbols that a string has.")
PROMPT_LENGTH = flags.DEFINE_integer("prompt_length", None, "Symbols of a prompt.")
OPTIONS = flags.DEFINE_list("options", [], "Options of the language, such as kinds=3,depth=2.")
SHOW = flags.DEFINE_integer("show", 5, "How many samples and prompts to print.", lower_bound=0)
SEED = flags.DEFINE_integer("seed", 0, "The seed of the samples.")


def main() -> None:
    """Make the language, and print it."""
    if LANGUAGE.value is None:
        for name in languages.LANGUAGES:
            summary = inspect.getdoc(languages.LANGUAGES[name]) or ""
            print(f"{name:12} {summary.splitlines()[0]}")
        return
    options = read_pairs("options", OPTIONS.value)
    lang = languages.make(LANGUAGE.value, MAX_LENGTH.value, **options)
    lines = [*describe_language(lang), "", "samples"]
    for row in np.asarray(lang.sample(jax.random.key(SEED.value), SHOW.value)):
        lines.append(f"  {lang.vocabulary.decode(row) or '(empty)'}")
    for split in ("id", "ood"):
        lines += ["", *show_prompts(lang, split, PROMPT_LENGTH.value, SHOW.value)]
    print("\n".join(lines))


if __name__ == "__main__":
    common.run(main)
