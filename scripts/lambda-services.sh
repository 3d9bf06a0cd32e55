#!/usr/bin/env bash
# Prints the functions of the meter. Each is a library, a binary of crates/functions and a folder in target/lambda.
echo usage-consumer api-authorizer invalidation-fanout usage-endpoint usage-portal usage-reconciler usage-canary
