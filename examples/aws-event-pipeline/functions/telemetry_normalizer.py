"""Brings a reading into the form that the others expect."""


def handler(event, context):
    return {**event, "sensor_type": str(event.get("sensor_type", "")).lower()}
