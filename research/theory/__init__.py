"""The rule in a model where everything is known: jointly Gaussian features, teacher and label, linear students."""
