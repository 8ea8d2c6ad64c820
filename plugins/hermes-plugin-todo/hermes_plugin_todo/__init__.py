"""A task list that the model keeps for a conversation."""
