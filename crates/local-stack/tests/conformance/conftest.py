"""Runs moto's tests of Kinesis, in server mode, against the local stack.

moto resets its server before each test. Here all streams are deleted instead,
and the fixture waits until they are gone. The local stack has one region.
"""

import boto3
import pytest
from moto.core import models

REGION = "us-east-1"


def delete_streams(_self=None):
    client = boto3.session.Session().client("kinesis", region_name=REGION)
    while True:
        names = client.list_streams()["StreamNames"]
        if not names:
            return
        for name in names:
            client.delete_stream(StreamName=name)


@pytest.fixture(autouse=True)
def the_local_stack(monkeypatch):
    monkeypatch.setattr(models.ServerModeMockAWS, "reset", delete_streams)
