"""PyTorch: one member at a time, or an ensemble by torch.func; eager, or under torch.compile."""

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import jax

from launch.benchmarks.peers.flax_runs import members_that_fit
from launch.benchmarks.setups import LeftOut, Setup
from launch.benchmarks.timing import Case


def train_alone(setup: Setup, steps: int) -> Case:
    """(a) A loop as in the published code: one member, eager."""
    return _alone(setup, steps, compiled=False)


def train_alone_compiled(setup: Setup, steps: int) -> Case:
    """(b) The same with the model under torch.compile."""
    return _alone(setup, steps, compiled=True)


def train_together(setup: Setup, steps: int) -> Case:
    """(c) An ensemble: stack_module_state, functional_call, vmap and grad."""
    return _together(setup, steps, compiled=False)


def train_together_compiled(setup: Setup, steps: int) -> Case:
    """(c) The same under torch.compile."""
    return _together(setup, steps, compiled=True)


def _alone(setup: Setup, steps: int, compiled: bool) -> Case:
    device, wait = find_device()
    from launch.benchmarks.peers import torch_model as plain

    net = plain.Net(setup).to(device).train()
    optimizer = plain.make_optimizer(setup, net.parameters())
    inputs, targets = _batch(setup, device)
    model = _compile(net) if compiled else net

    def call() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            plain.loss_of(model(inputs), targets).backward()
            optimizer.step()
        wait()

    facts = {"members": 1, "steps": steps, "parameters": count_parameters(net)}
    return Case(f"PyTorch, one at a time, {_mode(compiled)}", call, steps, facts)


def _together(setup: Setup, steps: int, compiled: bool) -> Case:
    device, wait = find_device()
    import torch

    from launch.benchmarks.peers import torch_model as plain

    m = members_that_fit(setup, len(setup.members))
    nets = [plain.Net(setup).to(device).train() for _ in range(m)]
    params, buffers = torch.func.stack_module_state(nets)
    optimizer = plain.make_optimizer(setup, params.values())
    inputs, targets = _batch(setup, device)

    def loss_of(own: Any, held: Any) -> Any:
        logits = torch.func.functional_call(nets[0], (own, held), (inputs,))
        return plain.loss_of(logits, targets)

    grads_of: Any = torch.vmap(torch.func.grad(loss_of), randomness="different")
    grads_of = _compile(grads_of) if compiled else grads_of

    def call() -> None:
        for _ in range(steps):
            own = {name: value.detach() for name, value in params.items()}
            for name, grad in grads_of(own, buffers).items():
                params[name].grad = grad
            optimizer.step()
        wait()

    facts = {"members": m, "steps": steps, "parameters": count_parameters(nets[0])}
    return Case(f"torch.func ensemble, {_mode(compiled)}", call, m * steps, facts)


def find_device() -> tuple[Any, Callable[[], None]]:
    """Give torch's device, the same as JAX's, and how to wait for it."""
    if importlib.util.find_spec("torch") is None:
        raise LeftOut("torch is not installed; pip install 'identjax[bench]'")
    import torch

    # A peer's warnings about itself are no news to the reader.
    warnings.filterwarnings("ignore", module="torch")
    if jax.default_backend() == "cpu":
        return torch.device("cpu"), lambda: None
    if not torch.cuda.is_available():
        raise LeftOut(f"this torch ({torch.__version__}) does not see the accelerator")
    return torch.device("cuda"), torch.cuda.synchronize


def count_parameters(net: Any) -> int:
    """Count what the net learns."""
    return sum(parameter.numel() for parameter in net.parameters())


def _batch(setup: Setup, device: Any) -> tuple[Any, Any]:
    import torch

    tokens = torch.as_tensor(setup.padded_BxT, device=device)
    return tokens[:, :-1], tokens[:, 1:]


def _compile(function: Any) -> Any:
    import torch

    return torch.compile(function)


def _mode(compiled: bool) -> str:
    return "torch.compile" if compiled else "eager"
