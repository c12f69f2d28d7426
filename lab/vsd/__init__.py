"""A stand-in for the REST API of Nuage's VSD. It and the controller's stand-in know the same things."""
