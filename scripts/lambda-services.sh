#!/usr/bin/env bash
# Prints the functions of the meter: each is a crate, a binary and a folder of what is deployed.
echo usage-consumer api-authorizer invalidation-fanout usage-endpoint usage-reconciler
