"""How far members are from the truth, evaluated anew at every snapshot."""

from identjax.evaluation.likelihood import measure_kl
from identjax.evaluation.measure import AtRung, Found, measure
from identjax.schema import schema_of

TABLES = {
    "likelihood": schema_of(member_id=str, rung=str, step=int, kl_nats=float, kl_stderr=float)
}


@measure("likelihood", TABLES, needs="snapshots")
def measure_likelihood(at: AtRung) -> Found:
    """KL(truth‖member) in nats per sequence, exact or with a standard error."""
    kl = measure_kl(at.language, at.stack, members=at.group_size)
    return {"likelihood": {"step": at.steps, "kl_nats": kl.kl_nats, "kl_stderr": kl.kl_stderr}}
