"""Networks from elsewhere whose classes are in another order: how to give it, and how it is noticed."""
