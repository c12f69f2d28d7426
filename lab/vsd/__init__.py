"""A stand-in for Nuage's VSD: the objects that exist, their REST API, and the resolution of ports from them."""
