"""A stand-in for a Nuage VRS's agent and its controller (VSC), for the lab: the real ones are not public.

It resolves the ports that a VRS's database names by a topology file, and programs the switch by OpenFlow so that what
a container can reach is what the topology says.
"""
