use clap::ValueEnum;
use std::io;
use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` says nothing. librdkafka's own lines are left to its errors.
const DEFAULT_FILTER: &str = "info,librdkafka=warn,rdkafka=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Sends logs to standard error, filtered by `RUST_LOG`; without it, by `default` or else by the usual filter.
pub(crate) fn init(format: LogFormat, default: Option<&str>) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default.unwrap_or(DEFAULT_FILTER)));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // An error means that there is a subscriber already, which then serves as well.
    match format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init().ok(),
        LogFormat::Json => builder.json().try_init().ok(),
    };
}
