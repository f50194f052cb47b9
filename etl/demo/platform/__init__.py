"""A stand-in for the policy registry's platform: a real small server on this machine, for tests and the demo.

It shares nothing with what sends to it but the tables' YAML: it reads messages, zips and rows by its own code. Replies carry
the documented codes where there is one; codes that begin with STANDIN or E are its own and are not the regulator's.
"""
