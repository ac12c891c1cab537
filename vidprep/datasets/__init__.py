"""Who is in the dataset, with which label, and where is the video? Annotation lists meet source folders."""
