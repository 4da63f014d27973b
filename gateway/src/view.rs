//! Views: tables that a gateway keeps for itself by following the log, so that it answers questions without asking a worker,
//! and any number of gateways can run. A view that is lost is made again from the log.

pub mod audit;
