"""A stand-in for a Nuage VRS's agent and its controller (VSC), for the lab: the real ones are not public.

It resolves the ports in a VRS's database by a topology file, and programs the switch with OpenFlow so that a container
can reach what the topology says.
"""
