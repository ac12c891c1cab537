"""Going on otherwise than planned: longer, with other settings, or with another run's momentum."""
