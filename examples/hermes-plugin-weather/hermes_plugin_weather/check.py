"""What `hermes doctor` runs."""

from __future__ import annotations

from hermes import Check, Finding, PluginContext

from hermes_plugin_weather.service import WeatherError, tell


class ServiceCheck(Check):
    """Asks the service once, for real."""

    def __init__(self, context: PluginContext) -> None:
        self._settings = context.settings

    async def check(self) -> tuple[Finding, ...]:
        place = self._settings.place or "London"
        try:
            await tell(place, 1, self._settings)
        except WeatherError as error:
            mend = "look at weather.place and weather.url in config.yaml"
            return (Finding("warning", f"weather: {error}", mend),)
        return (Finding("ok", f"the weather at {place} is known"),)
