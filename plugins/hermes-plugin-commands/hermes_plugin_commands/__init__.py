"""Sessions, models, settings and tools, as `hermes …` and `/…`."""
