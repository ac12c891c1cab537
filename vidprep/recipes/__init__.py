"""What a pipeline file may say, and facts about datasets: TOML read into frozen models."""
