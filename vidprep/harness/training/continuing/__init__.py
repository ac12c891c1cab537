"""Going on in another way than planned: longer, with other settings, or with another run's momentum."""
