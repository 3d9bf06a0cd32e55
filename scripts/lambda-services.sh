#!/usr/bin/env bash
# Prints the functions of the meter: each is a library, a binary of crates/functions and a folder of what is deployed.
echo usage-consumer api-authorizer invalidation-fanout usage-endpoint usage-reconciler usage-canary
