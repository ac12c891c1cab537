"""Keyword arguments that several public functions share: written once, shown in the help of each."""

import inspect
from collections.abc import Callable
from typing import TypeVar

_Function = TypeVar("_Function", bound=Callable[..., object])


def shows_keywords_of(other: Callable[..., object]) -> Callable[[_Function], _Function]:
    """Show the keywords of `other` in place of `**keywords` of a function that passes them on to it.

    `help()`, name completion and docs/api.md then list them with their defaults. This does not change which
    keywords may be passed; mypy knows them from `**keywords: Unpack[...]`.
    """
    shared = [
        parameter
        for parameter in inspect.signature(other).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]

    def decorate(function: _Function) -> _Function:
        own = inspect.signature(function)
        parameters = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
        first = next((i for i, one in enumerate(parameters) if one.kind is one.KEYWORD_ONLY), len(parameters))
        parameters[first:first] = shared
        function.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return function

    return decorate
