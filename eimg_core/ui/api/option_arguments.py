"""Options as arguments: Gradio and MCP read a function's signature, and this spells the options out in it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, get_type_hints

from eimg_core.options import Option

__all__ = ["spelt_out"]

Annotate = Callable[[Option], Any]


def spelt_out(options: Sequence[Option], annotate: Annotate = lambda option: option.kind) -> Callable[[Any], Any]:
    """Decorates a generator or a coroutine function that takes ``options``, values by name: it gets one argument for
    each of them instead, which may be left out.

    Args:
        options: in the order of the arguments.
        annotate: what is said of an argument; the kind of its value.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = _signature(function, options, annotate)

        def gathered(*args: Any, **kwargs: Any) -> dict[str, Any]:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            values = bound.arguments
            chosen = {option.name: values.pop(option.name) for option in options}
            return {**values, "options": chosen}

        @functools.wraps(function)
        async def answering(*args: Any, **kwargs: Any) -> Any:
            answer: Awaitable[Any] = function(**gathered(*args, **kwargs))
            return await answer

        @functools.wraps(function)
        def yielding(*args: Any, **kwargs: Any) -> Iterator[Any]:
            yield from function(**gathered(*args, **kwargs))

        spelt: Any = answering if inspect.iscoroutinefunction(function) else yielding
        spelt.__signature__ = signature
        spelt.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
        return spelt

    return decorate


def _signature(function: Callable[..., Any], options: Sequence[Option], annotate: Annotate) -> inspect.Signature:
    """The signature with an argument for each option in the place of ``options``."""
    hints = get_type_hints(function, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for name, each in inspect.signature(function).parameters.items():
        if name == "options":
            parameters += [
                each.replace(name=option.name, default=option.usual, annotation=annotate(option)) for option in options
            ]
        else:
            parameters.append(each.replace(annotation=hints.get(name, each.annotation)))
    return inspect.Signature(parameters)
