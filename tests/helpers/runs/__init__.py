"""Small networks, trainings, evaluations and reports, and a stand-in for a GPU."""
