"""A label means a class only beside a list: networks with another order of classes, and how it is noticed."""
