//! One file a command: its arguments, its help with an example, and what it does.

pub(crate) mod config;
pub(crate) mod dev;
pub(crate) mod dlq;
pub(crate) mod http;
pub(crate) mod operator;
pub(crate) mod produce;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod secret;
pub(crate) mod tail;
pub(crate) mod topology;
