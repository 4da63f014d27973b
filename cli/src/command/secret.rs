use crate::exit::{Exit, Failure};
use crate::output::Output;
use acteon_connectors::{AUTH_KEY_VARIABLE, encrypt};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use std::io::{Read as _, stdin};

/// Longest secret, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Keep secrets of the configuration encrypted
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Read a secret from standard input and print it as a value for acteon.toml
    ///
    /// The key is in the environment variable ACTEON_AUTH_KEY: 32 bytes as 64 hexadecimal digits or in base64. The same
    /// variable must be set where the configuration is read. A line break at the end is not a part of the secret.
    #[command(after_help = "\
Examples:
  export ACTEON_AUTH_KEY=$(openssl rand -hex 32)
  acteon secret encrypt < token.txt
  printf %s \"$TOKEN\" | acteon secret encrypt")]
    Encrypt,
}

impl Secret {
    pub(crate) fn run(&self) -> Result<Exit> {
        match self {
            Self::Encrypt => print_encrypted(),
        }
    }
}

fn print_encrypted() -> Result<Exit> {
    let refused = |message: String| Failure::error(Exit::Refused, message);
    let key = std::env::var(AUTH_KEY_VARIABLE).map_err(|_| {
        refused(format!("{AUTH_KEY_VARIABLE} is not set; make a key with `openssl rand -hex 32` and keep it safe"))
    })?;
    let mut secret = String::new();
    stdin().take(MAX_SECRET_BYTES + 1).read_to_string(&mut secret).context("can't read the secret")?;
    let secret = secret.trim_end_matches(['\n', '\r']);
    if secret.is_empty() || secret.len() as u64 > MAX_SECRET_BYTES {
        return Err(refused(format!("a secret has 1 to {MAX_SECRET_BYTES} bytes; give it on standard input")));
    }
    let mut output = Output::stdout();
    output.line(&encrypt(secret, &key).map_err(refused)?)?;
    Ok(Exit::Done)
}
