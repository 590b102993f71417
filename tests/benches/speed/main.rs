//! How fast Forgewatch is, beside what one could use in its place, in the same run on the same machine.
//!
//! `cargo bench --package forgewatch-tests` prints a table and writes `target/bench/speed.json`. Absolute figures
//! belong to the machine; the ratios are what counts. `-- worker`, or the name of another part, measures only that.

mod boundary;
mod end_to_end;
mod report;
mod start;
mod sweep;
mod worker;

use std::error::Error;

use report::Row;

type Measure = fn() -> Result<Vec<Row>, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // The reference loads run in processes of their own, as the binary under test does.
        [end_to_end::LOAD, concurrency, file] => end_to_end::run_load(concurrency.parse()?, file.as_ref()),
        [worker::ECHO] => worker::run_echo(),
        [start::PARSE, file] => start::run_parse(file.as_ref()),
        names => {
            let parts: [(&str, Measure); 5] = [
                ("boundary", boundary::measure),
                ("worker", worker::measure),
                ("end-to-end", end_to_end::measure),
                ("start", start::measure),
                ("sweep", sweep::measure),
            ];
            let is_wanted =
                |part: &str| names.iter().all(|name| name.starts_with('-')) || names.contains(&part);
            let mut rows = Vec::new();
            for (_, measure) in parts.into_iter().filter(|(part, _)| is_wanted(part)) {
                rows.extend(measure()?);
            }
            report::print(&rows);
            report::write(&rows)
        }
    }
}
