"""The gateway: events in, commands in, alerts, cases and lights out, over HTTP.

`create_app` in `app.py` puts it together; docs/gateway.md says what it promises.
"""
