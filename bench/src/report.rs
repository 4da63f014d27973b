//! What was measured, as a table and as JSON.

use std::io::{Write as _, stderr, stdout};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use crate::Options;
use crate::contender::Contender;
use crate::delivery::Delivery;
use crate::firing::Firing;
use crate::gate::Figures;
use crate::http::Http;
use crate::latency::Latency;
use crate::restore::Restore;
use crate::timers::Timers;

/// The figures of one round.
pub(crate) type Round = Vec<(Contender, Figures)>;

/// Says on standard error what is going on.
pub(crate) fn progress(what: &str) {
    // A closed standard error is no reason to stop.
    writeln!(stderr(), "bench: {what}").ok();
}

/// What Acteon is measured at alone.
pub(crate) struct Alone {
    pub(crate) latency: Option<Latency>,
    pub(crate) timers: Option<Timers>,
    pub(crate) firing: Option<Firing>,
    pub(crate) restore: Option<Restore>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) http: Option<Http>,
}

/// Prints the table and writes the JSON file.
pub(crate) fn write(options: &Options, rounds: &[Round], alone: &Alone) -> Result<()> {
    let gate = summary(rounds);
    let mut out = stdout().lock();
    writeln!(out, "{}", table(&gate))?;
    for (name, what) in
        [("ratio_kafka_streams", "Acteon to Kafka Streams"), ("ratio_wire_limit", "Acteon to the wire limit")]
    {
        if let Some(ratio) = gate.get(name).and_then(Value::as_f64) {
            writeln!(out, "{what}: {ratio:.2}")?;
        }
    }
    if let Some(Latency { rate, p50_ms, p99_ms, max_ms }) = &alone.latency {
        writeln!(out, "latency at {rate} actions/s: p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, max {max_ms:.1} ms")?;
    }
    if let Some(timers) = &alone.timers {
        writeln!(out, "{timers}")?;
    }
    if let Some(firing) = &alone.firing {
        writeln!(out, "{firing}")?;
    }
    if let Some(restore) = &alone.restore {
        writeln!(out, "{restore}")?;
    }
    if let Some(delivery) = &alone.delivery {
        writeln!(out, "{delivery}")?;
    }
    if let Some(http) = &alone.http {
        write!(out, "{http}")?;
    }
    let all = json!({
        "gate": gate,
        "latency": alone.latency,
        "timers": alone.timers,
        "firing": alone.firing,
        "restore": alone.restore,
        "delivery": alone.delivery,
        "http": alone.http,
        "setup": {
            "count": options.count,
            "partitions": options.partitions,
            "threads": options.threads,
            "rounds": options.rounds,
        },
    });
    if let Some(dir) = options.out.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(&options.out, serde_json::to_string_pretty(&all)? + "\n")
        .with_context(|| format!("cannot write {}", options.out.display()))
}

/// The medians over all rounds, by contender, and the medians of the ratios within each round.
fn summary(rounds: &[Round]) -> Map<String, Value> {
    let mut gate = Map::new();
    for contender in [Contender::Acteon, Contender::Peer, Contender::Wire] {
        let all: Vec<&Figures> = rounds.iter().filter_map(|round| find(round, contender)).collect();
        let of = |figure: fn(&Figures) -> f64| median(all.iter().map(|f| figure(f)).collect());
        let Some(last) = all.last() else { continue };
        gate.insert(
            contender.name().to_owned(),
            json!({
                "actions_per_s": of(|f| f.actions_per_s),
                "cpu_s": of(|f| f.cpu_s),
                "peak_rss_mb": of(|f| f.peak_rss_mb),
                "cpu_us_per_action": of(|f| f.cpu_us_per_action),
                "outcomes": last.outcomes,
            }),
        );
    }
    for (name, other) in [("ratio_kafka_streams", Contender::Peer), ("ratio_wire_limit", Contender::Wire)] {
        let ratios = rounds.iter().filter_map(|round| {
            let (ours, theirs) = (find(round, Contender::Acteon)?, find(round, other)?);
            Some(ours.actions_per_s / theirs.actions_per_s)
        });
        if let Some(ratio) = median(ratios.collect()) {
            gate.insert(name.to_owned(), json!(ratio));
        }
    }
    gate
}

fn find(round: &Round, contender: Contender) -> Option<&Figures> {
    let mut all = round.iter();
    all.find(|(which, _)| *which == contender).map(|(_, figures)| figures)
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(values.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

fn table(gate: &Map<String, Value>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["gate workload", "actions/s", "CPU s", "CPU µs/action", "peak RSS MB"]);
    for (name, figures) in gate.iter().filter(|(_, figures)| figures.is_object()) {
        let cell = |key: &str, digits: usize| {
            let figure = figures[key].as_f64().unwrap_or_default();
            format!("{figure:.digits$}")
        };
        table.add_row([
            name.replace('_', " "),
            cell("actions_per_s", 0),
            cell("cpu_s", 1),
            cell("cpu_us_per_action", 1),
            cell("peak_rss_mb", 0),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn figures(actions_per_s: f64) -> Figures {
        Figures {
            actions_per_s,
            cpu_s: 1.0,
            peak_rss_mb: 2.0,
            cpu_us_per_action: 3.0,
            outcomes: [("dispatched".to_owned(), 4)].into(),
        }
    }

    #[test]
    fn ratios_are_paired_by_round() {
        let round = |ours, theirs| vec![(Contender::Peer, figures(theirs)), (Contender::Acteon, figures(ours))];
        // The medians alone would give 40 / 10.
        let gate = summary(&[round(10.0, 10.0), round(40.0, 20.0), round(90.0, 9.0)]);
        assert_eq!(gate["ratio_kafka_streams"], 2.0);
        assert_eq!(gate["acteon"]["actions_per_s"], 40.0);
        assert_eq!(gate["kafka_streams"]["actions_per_s"], 10.0);
        assert!(!gate.contains_key("wire_limit") && !gate.contains_key("ratio_wire_limit"));
        assert!(table(&gate).to_string().contains("kafka streams"));
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
