"""Run commands on this machine."""
