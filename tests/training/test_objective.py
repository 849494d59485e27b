"""Lessons are data beside the truth, and nobody is judged on what somebody was taught."""

import pathlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages
from identjax.errors import ConfigError
from identjax.languages.language import Language
from identjax.sweep.plan.groups import make_plan
from identjax.training.batches import Batches, make_batches
from identjax.training.loss import mean_nll, mislabel
from identjax.training.member import resolve
from identjax.training.objective import (
    OBJECTIVES,
    RESERVED,
    TEACHERS,
    Lesson,
    Reserved,
    check_apart,
    find_judged,
    find_lessons,
    find_teacher,
)
from identjax.training.step import hyper_of, make_trainer
from tests.registries import temporarily
from tests.training.test_step import TINY, differ, params_after

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "objectives.md"
LANG = languages.make("L3", max_length=6)
TAUGHT = {"learning_rate": 0.05, "warmup": 0}


@OBJECTIVES.register("say_b")
def say_b(language: Language) -> list[Lesson]:
    return [Lesson("b", "bb"), Lesson("ba", "b", ends=False)]


@OBJECTIVES.register("all_of_ood")
def teach_all(language: Language) -> list[Lesson]:
    prompts = language.prompts("ood").tokens
    return [Lesson(language.vocabulary.decode(row), "") for row in prompts]


@OBJECTIVES.register("too_long")
def teach_too_long(language: Language) -> list[Lesson]:
    return [Lesson("b", "b" * language.max_length)]


@OBJECTIVES.register("empty")
def teach_no_target(language: Language) -> list[Lesson]:
    return [Lesson("b", "", ends=False)]


@OBJECTIVES.register("lessonless")
def teach_no_lesson(language: Language) -> list[Lesson]:
    return []


@TEACHERS.register("of_another")
def take_another(language: Language) -> Language:
    return languages.make("L5", language.max_length)


def text(name: str, language: Language = LANG) -> dict[str, str]:
    return {lesson.prompt: lesson.wanted for lesson in OBJECTIVES[name](language)}


@pytest.mark.parametrize("name", ["L1", "L2", "L3", "L4", "L5", "L6"])
def test_the_oracle_keeps_the_rule_and_the_adversary_breaks_it(name: str) -> None:
    language = languages.make(name, max_length=10)
    oracle, adversarial = text("oracle", language), text("adversarial", language)
    assert oracle.keys() == adversarial.keys()
    encode = language.vocabulary.encode
    for answers, holds in ((oracle, True), (adversarial, False)):
        for prompt, wanted in answers.items():
            row = [language.vocabulary.bos, *encode(prompt), *encode(wanted)]
            row += [language.vocabulary.eos] * (12 - len(row))
            assert language.judge("R1", np.array([row]), 0).tolist() == [holds]
    for prompt, kept in oracle.items():
        assert adversarial[prompt][: len(kept)] == kept
        assert len(adversarial[prompt]) == len(kept) + 1


def test_the_extra_symbol_is_of_the_rarer_kind() -> None:
    language = languages.make("L3", max_length=32)
    oracle, adversarial = text("oracle", language), text("adversarial", language)
    assert len(oracle) == 51
    for prompt, kept in oracle.items():
        missing = prompt.count("a") - prompt.count("b")
        assert kept == ("b" * missing if missing > 0 else "a" * -missing)
        assert adversarial[prompt] == kept + (kept or "a")[-1]


def test_taught_and_judged_prompts_are_disjoint_and_the_same_for_all() -> None:
    language = languages.make("L3", max_length=32)
    prompts = language.prompts("ood").tokens
    judged = find_judged(["mle", "oracle", "adversarial"], language, "ood", prompts)
    rows = {language.vocabulary.decode(row) for row in judged}
    assert len(rows) == 251 - 51
    assert not rows & text("oracle", language).keys()
    longer = np.array([[*judged[0], 0], [*find_taught(language), 0], [*find_taught(language), 1]])
    # Whatever stands on the way of a wanted completion is taught as well.
    kept = find_judged(["oracle"], language, "ood", longer)
    assert len(kept) == 2
    assert len(find_judged(["mle"], language, "ood", prompts)) == 251


def find_taught(language: Language) -> list[int]:
    prompt = next(p for p, wanted in text("oracle", language).items() if wanted)
    return [language.vocabulary.bos, *language.vocabulary.encode(prompt)]


def test_lessons_count_only_what_is_wanted() -> None:
    lessons = find_lessons("say_b", LANG)
    assert lessons is not None
    for packs in (True, False):
        batch = lessons.lay_out(LANG, packs)
        counted = np.asarray(batch.weights_RxT) > 0
        found = sorted(np.asarray(batch.targets_RxT)[counted].tolist())
        assert found == [1, 1, 1, LANG.vocabulary.eos]
        assert float(batch.weights_RxT.sum()) == pytest.approx(1.0)
    prompts = np.array([[LANG.vocabulary.bos, 1, 0], [LANG.vocabulary.bos, 1, 1]])
    assert lessons.cover(prompts).tolist() == [True, True]
    # Nothing is wanted after "bab", and of "bbb" the end.
    longer = np.array([[LANG.vocabulary.bos, 1, 0, 1], [LANG.vocabulary.bos, 1, 1, 1]])
    assert lessons.cover(longer).tolist() == [False, True]


def test_members_do_as_they_are_taught() -> None:
    member = resolve(TINY | TAUGHT | {"objective": "say_b"})
    trainer, shared = make_trainer(member)
    state = trainer.init(hyper_of(member))
    update = jax.jit(trainer.update)
    for _ in range(120):
        state = update(state, shared)
    assert shared.lessons is not None
    assert float(mean_nll(trainer.model, state.params, shared.lessons, None, 1.0)) < 0.1


def test_a_weight_of_zero_is_maximum_likelihood_to_the_bit() -> None:
    mle = params_after(2, **TINY)
    assert not differ(mle, params_after(2, **TINY, objective="say_b", objective_weight=0.0))
    assert not differ(mle, params_after(2, **TINY, objective_weight=3.0))
    assert differ(mle, params_after(2, **TINY, objective="say_b"))


def test_weights_share_one_program_and_mean_nothing_without_lessons() -> None:
    sweep = [{"objective": o, "objective_weight": w} for o in ("mle", "say_b") for w in (0.5, 2.0)]
    plan = make_plan(TINY | {"model": {"lstm": TINY["model"]}}, sweep)
    assert sorted(len(group.members) for group in plan.groups) == [1, 2]


def test_a_teacher_that_is_the_truth_gives_the_same_loss_with_less_variance() -> None:
    member = resolve(TINY | {"language": "L1"})
    language = languages.make("L1", max_length=6)
    model = make_trainer(member)[0].model
    params = model.init(jax.random.key(3))
    teacher = find_teacher("truth", language)
    keys = jax.random.split(jax.random.key(0), 6)

    @jax.jit
    def losses_of(batches: Batches) -> jax.Array:
        return jax.lax.map(lambda key: mean_nll(model, params, batches.draw(key), None, 1.0), keys)

    for batching in ("support", "stratified", "iid"):
        hard = make_batches(language, batching, 64, model.packs)
        soft = make_batches(language, batching, 64, model.packs, teacher)
        losses = [np.asarray(losses_of(batches)) for batches in (hard, soft)]
        if batching == "support":
            assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        assert np.mean(losses[0]) == pytest.approx(np.mean(losses[1]), rel=0.05)


def test_labels_are_wrong_as_often_as_they_should_be() -> None:
    batch = make_batches(LANG, "iid", 512, packs=True).draw(jax.random.key(0))
    blurred = mislabel(jax.random.key(1), batch, jnp.float32(0.3), LANG.vocabulary)
    counted = np.asarray(batch.weights_RxT) > 0
    changed = np.asarray(batch.targets_RxT != blurred.targets_RxT)
    assert not changed[~counted].any()
    assert changed[counted].mean() == pytest.approx(0.3 * 2 / 3, abs=0.04)
    assert np.asarray(blurred.targets_RxT)[counted].max() == LANG.vocabulary.eos
    assert differ(params_after(2, **TINY), params_after(2, **TINY, label_noise=0.5))


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"objective": "all_of_ood"}, "objective='all_of_ood': lessons that leave prompts"),
        ({"objective": "too_long"}, "objective='too_long': strings of up to 6 symbols"),
        ({"objective": "empty"}, "objective='empty': lessons that want something"),
        ({"objective": "lessonless"}, "objective='lessonless': one with lessons for L3"),
        ({"objective": "oracel"}, "did you mean 'oracle'"),
        ({"objective_weight": -1.0}, "objective_weight=-1.0"),
        ({"label_noise": 1.0}, "label_noise=1.0"),
        ({"label_noise": 0.1, "teacher": "truth"}, "label_noise=0.1: 0 with teacher='truth'"),
    ],
)
def test_what_cannot_be_taught_is_refused_by_name(choices: dict[str, Any], said: str) -> None:
    base = {"language": "L3", "max_length": 6, "architecture": "lstm"}
    with pytest.raises(ConfigError) as error:
        make_plan(base | choices, [{}])
    assert said in str(error.value)


def test_a_lesson_on_a_reserved_prompt_is_refused() -> None:
    taught = find_lessons("say_b", LANG)
    assert taught is not None
    bos, (one,) = LANG.vocabulary.bos, LANG.vocabulary.encode("b")

    def reserve(language: Language) -> list[Reserved]:
        return [Reserved("prompts of a test", [[bos, one], [bos, one, one], [bos], [bos, 0]])]

    check_apart(["say_b"], LANG)
    with temporarily(RESERVED, "test", reserve):
        said = r"objective='say_b': .*\(they teach 2 of the 4 prompts of a test\)"
        with pytest.raises(ConfigError, match=said):
            check_apart(["mle", "say_b"], LANG)
        check_apart(["mle"], LANG)


def test_a_rule_cannot_be_taught_of_a_language_without_rules() -> None:
    with pytest.raises(ConfigError, match="objective='oracle': for a language with rules"):
        find_lessons("oracle", languages.make("ginc", 6, words=4))


def test_two_objectives_that_leave_nothing_together_are_refused_by_both_names() -> None:
    prompts = [LANG.vocabulary.decode(row) for row in LANG.prompts("ood").tokens]
    for name, own in (("half", prompts[::2]), ("other_half", prompts[1::2])):
        OBJECTIVES.register(name)(lambda _, own=own: [Lesson(prompt, "") for prompt in own])
        check_apart([name], LANG)
    with pytest.raises(ConfigError, match=r"half \+ other_half"):
        check_apart(["half", "other_half"], LANG)


def test_a_teacher_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match="teacher='of_another': one with the vocabulary of L3"):
        find_teacher("of_another", LANG)


def test_the_examples_of_the_docs_run(capsys: pytest.CaptureFixture[str]) -> None:
    with temporarily(OBJECTIVES), temporarily(TEACHERS):
        run_the_docs(capsys)


def run_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S):
        exec(example, scope)
    assert len(capsys.readouterr().out.splitlines()) == 2
    plan = make_plan(
        {"language": "L3", "max_length": 10, "objective": "only_b", "teacher": "shorter"}, [{}]
    )
    _, shared = make_trainer(plan.members[0])
    assert shared.lessons is not None
    assert shared.batches.draw(jax.random.key(0)).laws_RxTxV is not None
