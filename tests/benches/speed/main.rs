//! How fast Forgewatch is, beside what one could use in its place, in the same run on the same machine.
//!
//! `cargo bench --package forgewatch-tests` prints a table and writes `target/bench/speed.json`. Absolute figures
//! belong to the machine; the ratios are what counts.

mod boundary;
mod end_to_end;
mod report;

use std::error::Error;

use report::Row;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // The reference loads run in processes of their own, as the binary under test does.
        [end_to_end::LOAD, concurrency, file] => end_to_end::run_load(concurrency.parse()?, file.as_ref()),
        _ => {
            let mut rows: Vec<Row> = boundary::measure()?;
            rows.extend(end_to_end::measure()?);
            report::print(&rows);
            report::write(&rows)
        }
    }
}
