mod apply;
mod check;
mod explain;
mod scenario;
mod switch;
mod test;

use crate::args::Global;
use crate::exit::Exit;
use anyhow::Result;
use clap::Subcommand;

/// The rules: check them, ask them, test them, publish them, switch them
#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    Check(check::Check),
    Explain(explain::Explain),
    Apply(apply::Apply),
    Enable(switch::Enable),
    Disable(switch::Disable),
    Restore(switch::Restore),
    Test(test::Test),
}

impl Rules {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Self::Check(check) => check.run(global),
            Self::Explain(explain) => explain.run(global),
            Self::Apply(apply) => apply.run(global),
            Self::Enable(enable) => enable.run(global),
            Self::Disable(disable) => disable.run(global),
            Self::Restore(restore) => restore.run(global),
            Self::Test(test) => test.run(global),
        }
    }
}
