"""Shards in other people's trainers: a small module for each framework, imported only when it is used."""
