"""Tars that others wrote: indexed, checked and described like vidprep's own, as far as they can be."""
