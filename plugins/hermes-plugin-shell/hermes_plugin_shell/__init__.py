"""Tools that run commands and keep processes in the background."""
