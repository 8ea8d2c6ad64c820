"""Talk to Hermes in the terminal."""
