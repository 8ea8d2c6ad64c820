"""What a checker tells somebody who lists offers and imports names."""

from __future__ import annotations

from hermes import Memory, Offer, Provider, Tol, hookimpl  # E: has no attribute "Tol"
from hermes import ModelRequest, ModelResponse, Turn
from hermes.testing import FakeProvder  # E: has no attribute "FakeProvder"


@hookimpl
def hermes_tools() -> list[Offer]:
    return [Offer("dice", "hermes_plugin_dice.dice:roll", "Roll dice")]


reveal_type(hermes_tools)  # R: def () -> list[hermes.offers.Offer]
reveal_type(Offer("a", "b:c", "d").optional)  # R: bool

Offer("dice", "hermes_plugin_dice.dice:roll")  # E: Missing positional argument "summary"
Offer("dice", "hermes_plugin_dice.dice:roll", 3)  # E: incompatible type "int"; expected "str"
Offer("a", "b:c", "d", familly=True)  # E: Unexpected keyword argument "familly"
Offer("a", "b:c", "d").name = "other"  # E: read-only


class Forgetful(Memory):
    pass


class Silent(Provider):
    def stream(self, request: ModelRequest) -> ModelResponse:  # E: incompatible with return type
        raise NotImplementedError


Forgetful()  # E: Cannot instantiate abstract class "Forgetful" with abstract attribute "recall"
