"""Recipes (pipeline files) and facts about datasets: TOML read into frozen models."""
