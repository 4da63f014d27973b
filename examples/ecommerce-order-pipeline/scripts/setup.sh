#!/usr/bin/env bash
# Sets the shop's quota and retention. It can be run again at any time.
. "$(dirname "$0")/common.sh"
need_gateway

quota acme-store-hourly 200 "What the shop may send in an hour"
retention 14 3 "Two weeks of audit, three days of orders"
