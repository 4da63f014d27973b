#!/usr/bin/env bash
# Shows what has happened: outcomes, audit records, chains, orders, approvals, providers and their circuits, and what
# setup.sh has set.
. "$(dirname "$0")/common.sh"
need_gateway

approvals() {
  ask /v1/approvals | jq -r '.approvals[] | [.token, .status, .rule, .expires_at] | @tsv' | table APPROVAL STATUS RULE "EXPIRES AT"
}

section "outcomes" report_outcomes
section "audit trail" report_audit
section "chains" report_chains
section "orders" report_events
section "approvals" approvals
section "scheduled actions" report_scheduled
section "providers" report_providers
section "quotas" report_quotas
section "retention" report_retention
section "circuit breakers" report_circuits
