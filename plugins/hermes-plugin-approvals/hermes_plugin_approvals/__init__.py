"""The policy that decides which tool calls may run, and asks."""
