"""A made-up company and its field force: seeded, reproducible to the byte, as fast as possible or in real time.

Every day is a pure function of (seed, company, day), so a run that starts or ends elsewhere tells the same days alike.
"""
