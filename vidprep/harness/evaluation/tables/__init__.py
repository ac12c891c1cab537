"""What an evaluation writes beside its headline: classes, confusions, what a reversal turns into what."""
