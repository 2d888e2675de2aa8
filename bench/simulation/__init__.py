"""Predicts training on clusters that are not here: a discrete-event simulation from measured rates."""
