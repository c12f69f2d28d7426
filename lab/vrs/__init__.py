"""A stand-in for a Nuage VRS's agent and its controller (VSC), for the lab: the real ones are not public.

It has the ports in a VRS's database resolved by the stand-in for the VSD (``lab.vsd``), and programs the switch with
OpenFlow so that a container can reach what the VSD says.
"""
