"""A stand-in for a device under test: a 51/79 relay in plain Python that speaks Modbus or OPC UA.

It is an independent program. It shares nothing with gridhil but the wire, so that it can be judged by it.
"""
