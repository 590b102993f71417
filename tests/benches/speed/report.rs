//! What is printed and written.

use std::error::Error;

use forgewatch_tests::build;
use serde::Serialize;

/// One measured thing beside its reference.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) unit: &'static str,
    /// Median over the runs.
    pub(crate) measured: f64,
    pub(crate) reference_name: &'static str,
    /// Median over the runs.
    pub(crate) reference: f64,
    /// Median of measured / reference, pair by pair.
    pub(crate) ratio: f64,
    pub(crate) wanted: &'static str,
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn ratio(pairs: &[(f64, f64)]) -> f64 {
    median(pairs.iter().map(|(measured, reference)| measured / reference).collect())
}

pub(crate) fn print(rows: &[Row]) {
    println!("\n{:58} {:>12} {:>12}  {:34} {:>8}  wanted", "work", "measured", "reference", "", "ratio");
    for row in rows {
        let Row { work, unit, measured, reference_name, reference, ratio, wanted } = row;
        let unit = format!("{reference_name}, {unit}");
        println!("{work:58} {measured:>12.0} {reference:>12.0}  {unit:34} {ratio:>8.2}  {wanted}");
    }
}

pub(crate) fn write(rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let dir = build::root().join("target/bench");
    std::fs::create_dir_all(&dir)?;
    let path = dir.join("speed.json");
    std::fs::write(&path, serde_json::to_string_pretty(rows)?)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}
