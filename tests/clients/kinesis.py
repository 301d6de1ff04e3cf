"""Puts records to Kinesis and Firehose by AWS's own client, whose endpoint is an edge.

    kinesis.py EDGE KEY_ID SECRET COUNT

Says `sent N` after each call, and at last whether a call with a wrong secret is refused by AWS's
own name for it.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

EDGE, KEY_ID, SECRET, COUNT = sys.argv[1:5]


def client(service: str, secret: str = SECRET):
    return boto3.client(
        service,
        endpoint_url=EDGE,
        region_name="eu-central-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=secret,
        config=Config(retries={"mode": "standard", "max_attempts": 12}),
    )


def click(number: int) -> bytes:
    return json.dumps({"id": 7, "action": "view", "product_id": f"p-{number}"}).encode() + b"\n"


kinesis, firehose = client("kinesis"), client("firehose")
for call in range(int(COUNT)):
    first = 10 * call
    entries = [{"Data": click(first + n), "PartitionKey": f"k-{n % 3}"} for n in range(8)]
    put = kinesis.put_records(StreamName="clicks", Records=entries)
    assert put["FailedRecordCount"] == 0 and len(put["Records"]) == 8, put
    put = kinesis.put_record(StreamName="clicks", Data=click(first + 8), PartitionKey="k")
    assert put["SequenceNumber"].isdigit(), put
    put = firehose.put_record_batch(
        DeliveryStreamName="clicks", Records=[{"Data": click(first + 9)}]
    )
    assert put["FailedPutCount"] == 0, put
    print("sent", call + 1, flush=True)

try:
    client("kinesis", "wrong").put_record(StreamName="clicks", Data=b"{}", PartitionKey="k")
except ClientError as error:
    print("refused", error.response["Error"]["Code"], flush=True)
