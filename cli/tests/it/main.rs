//! The binary, run as a user runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod aws_pipeline;
mod check;
mod circuits;
mod compose;
mod curls;
mod definitions;
mod deliveries;
mod dev;
mod dlq;
mod exactly_once;
mod gateway;
mod health;
mod help;
mod ingest;
mod kafka;
mod openapi;
mod operator;
mod outage;
mod patterns;
mod pipeline;
mod pipelines;
mod policy;
mod remote;
mod scenarios;
mod shop;
mod stage;
mod start;
mod stream;
mod support;
mod templates;
