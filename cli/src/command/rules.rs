mod apply;
mod check;
mod explain;
mod scenario;
mod test;

use crate::args::Global;
use crate::exit::Exit;
use anyhow::Result;
use clap::Subcommand;

/// The rules: check them, ask them, test them, publish them
#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    Check(check::Check),
    Explain(explain::Explain),
    Apply(apply::Apply),
    Test(test::Test),
}

impl Rules {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Self::Check(check) => check.run(global),
            Self::Explain(explain) => explain.run(global),
            Self::Apply(apply) => apply.run(global),
            Self::Test(test) => test.run(global),
        }
    }
}
