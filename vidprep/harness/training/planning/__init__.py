"""Before the first step: what a training costs, whether it fits into memory, and when it will end."""
