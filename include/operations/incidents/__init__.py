"""What is wrong with the data, from its start to its end, and who was notified of it."""
