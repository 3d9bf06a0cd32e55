"""Uses a local stack as users do: with version 1 of the AWS CLI and with boto3.

The environment variables are those that `meter local` prints. Run by scripts/test-clients.sh.
"""

import datetime
import json
import os
import subprocess
import sys
import unittest

import boto3
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
GIVEN_UP_BUCKET = f"usage-given-up-local-{ACCOUNT}-us-east-1"
STREAM = "usage-local"
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
AWS = os.path.join(os.path.dirname(sys.executable), "aws")


def aws(*arguments):
    done = subprocess.run([AWS, *arguments, "--output", "json"], capture_output=True, text=True)
    assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stderr}"
    return json.loads(done.stdout) if done.stdout.strip() else {}


def last_hour():
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"StartTime": now - datetime.timedelta(hours=1), "EndTime": now + datetime.timedelta(minutes=2)}


INCOMING = {
    "Namespace": "AWS/Kinesis",
    "MetricName": "IncomingRecords",
    "Dimensions": [{"Name": "StreamName", "Value": STREAM}],
}


class CommandLine(unittest.TestCase):
    def test_who_and_where(self):
        self.assertEqual(aws("sts", "get-caller-identity")["Account"], ACCOUNT)
        summary = aws("kinesis", "describe-stream-summary", "--stream-name", STREAM)["StreamDescriptionSummary"]
        self.assertEqual(summary["StreamARN"], f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{STREAM}")
        self.assertGreater(aws("dynamodb", "scan", "--table-name", "usage-keys-local")["Count"], 0)
        table = aws("dynamodb", "describe-table", "--table-name", STREAM)["Table"]
        self.assertEqual(table["TableArn"], f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{STREAM}")

    def test_what_each_service_answers(self):
        self.assertIn("usage-quarantine-local", json.dumps(aws("sqs", "list-queues", "--endpoint-url", ENDPOINT)))
        self.assertIn("usage-invalidations-local", json.dumps(aws("sns", "list-topics")))
        self.assertIn("events", aws("logs", "filter-log-events", "--log-group-name", "/aws/api-gateway/usage-local"))
        aws("s3api", "list-objects-v2", "--bucket", GIVEN_UP_BUCKET)
        aws("cloudwatch", "list-metrics")
        aws("apigateway", "flush-stage-authorizers-cache", "--rest-api-id", "local", "--stage-name", "local")

    def test_an_error_is_readable(self):
        done = subprocess.run([AWS, "cloudwatch", "describe-alarms"], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("the local stack does not offer DescribeAlarms of CloudWatch", done.stderr)


class Boto3(unittest.TestCase):
    def test_a_record_goes_through_the_stream_and_shows_in_the_metrics(self):
        kinesis = boto3.client("kinesis")
        put = kinesis.put_record(StreamName=STREAM, PartitionKey="p", Data=b"\x00data")
        iterator = kinesis.get_shard_iterator(
            StreamName=STREAM, ShardId=put["ShardId"], ShardIteratorType="AT_SEQUENCE_NUMBER",
            StartingSequenceNumber=put["SequenceNumber"],
        )["ShardIterator"]
        self.assertEqual(kinesis.get_records(ShardIterator=iterator)["Records"][0]["Data"], b"\x00data")
        cloudwatch = boto3.client("cloudwatch")
        query = {"Id": "m", "MetricStat": {"Metric": INCOMING, "Period": 60, "Stat": "Sum"}}
        expression = {"Id": "e", "Expression": "m * 2"}
        results = cloudwatch.get_metric_data(MetricDataQueries=[query, expression], **last_hour())["MetricDataResults"]
        once, twice = (sum(result["Values"]) for result in results)
        self.assertGreaterEqual(once, 1)
        self.assertEqual(twice, 2 * once)
        self.assertIsInstance(results[0]["Timestamps"][0], datetime.datetime)

    def test_every_answer_names_its_request(self):
        answers = [
            boto3.client("sts").get_caller_identity(),
            boto3.client("kinesis").list_streams(),
            boto3.client("dynamodb").list_tables(),
            boto3.client("sqs").list_queues(),
            boto3.client("sns").list_topics(),
            boto3.client("cloudwatch").list_metrics(),
            boto3.client("s3").list_objects_v2(Bucket=GIVEN_UP_BUCKET),
        ]
        ids = [answer["ResponseMetadata"]["RequestId"] for answer in answers]
        self.assertEqual(len(set(ids)), len(answers))
        with self.assertRaises(ClientError) as refused:
            boto3.client("kinesis").describe_stream(StreamName="none")
        self.assertTrue(refused.exception.response["ResponseMetadata"]["RequestId"])

    def test_what_was_not_asked_for_is_not_told(self):
        dynamodb = boto3.client("dynamodb")
        self.assertNotIn("ConsumedCapacity", dynamodb.scan(TableName=STREAM))
        self.assertIn("ConsumedCapacity", dynamodb.scan(TableName=STREAM, ReturnConsumedCapacity="TOTAL"))

    def test_errors_have_the_codes_of_their_services(self):
        with self.assertRaises(ClientError) as refused:
            boto3.client("cloudwatch").get_metric_data(
                MetricDataQueries=[{"Id": "e", "Expression": "FILL(m, 0)"}], **last_hour()
            )
        self.assertEqual(refused.exception.response["Error"]["Code"], "InvalidParameterValue")
        with self.assertRaises(ClientError) as refused:
            boto3.client("sns").subscribe(
                TopicArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:usage-alerts-local", Protocol="https", Endpoint="https://127.0.0.1:9/"
            )
        self.assertEqual(refused.exception.response["Error"]["Code"], "InvalidParameter")
        with self.assertRaises(ClientError) as refused:
            boto3.client("kinesis", region_name="eu-west-1").list_streams()
        self.assertEqual(refused.exception.response["Error"]["Code"], "InvalidSignatureException")


if __name__ == "__main__":
    unittest.main()
