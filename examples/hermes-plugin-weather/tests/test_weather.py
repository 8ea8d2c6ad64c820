"""What a model, a person and the doctor are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hermes.testing import FakeCommandContext, MakeContext, give, make_call

from hermes_plugin_weather.check import ServiceCheck
from hermes_plugin_weather.commands import weather
from hermes_plugin_weather.service import WeatherError
from hermes_plugin_weather.settings import Settings
from hermes_plugin_weather.tools import forecast

TOLD = "Berlin, Germany\n2026-01-01: 5 to 10 °C, 0.5 mm"


async def test_the_model_gets_it_labelled(plugin_context: MakeContext, settings: Settings) -> None:
    context = plugin_context("weather", settings=settings)

    told = await forecast.run(make_call(forecast, {"place": "Berlin", "days": 1}, context=context))

    assert told.text == TOLD
    assert told.source == settings.url


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"place": "Nowhere"}, "there is no place called 'Nowhere'"),
        ({}, "which place?"),
        ({"place": "Berlin", "days": 17}, "1 to 16 days"),
    ],
)
async def test_what_cannot_be_told_is_said(
    plugin_context: MakeContext, settings: Settings, arguments: dict[str, Any], said: str
) -> None:
    context = plugin_context("weather", settings=settings)

    with pytest.raises(WeatherError, match=said.replace("?", r"\?")):
        await forecast.run(make_call(forecast, arguments, context=context))


def host(settings: Settings) -> Any:
    return SimpleNamespace(context=lambda plugin: SimpleNamespace(settings=settings))


async def test_a_person_is_told_about_the_place_of_the_settings(settings: Settings) -> None:
    mine = msgspec.structs.replace(settings, place="Berlin", fahrenheit=True)

    said = await give(weather, "--days", "1", context=FakeCommandContext(host=host(mine)))

    assert said.text == "Berlin, Germany\n2026-01-01: 45 to 50 °F, 0.5 mm"


async def test_the_doctor_asks_for_real(plugin_context: MakeContext, settings: Settings) -> None:
    fine = msgspec.structs.replace(settings, place="Berlin")
    (good,) = await ServiceCheck(plugin_context("weather", settings=fine)).check()
    dead = msgspec.structs.replace(fine, geocoding="http://127.0.0.1:9/search")
    (bad,) = await ServiceCheck(plugin_context("weather", settings=dead)).check()

    assert good.level == "ok"
    assert bad.level == "warning"
    assert "did not answer" in bad.text
