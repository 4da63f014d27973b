#!/usr/bin/env bash
# Removes what setup.sh made; it can be run again at any time.
. "$(dirname "$0")/common.sh"
need_gateway

forget_quota acme-store-hourly
forget_retention
echo "removed the quota and the retention"
