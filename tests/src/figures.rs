//! Numbers in few words.

use std::fmt::{self, Display};
use std::time::Duration;

/// Values in the order of time.
#[derive(Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        self.quantile(50)
    }

    /// What this part of them, in percent, does not exceed.
    fn quantile(&self, percent: usize) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() * percent / 100).copied().unwrap_or(0.0)
    }

    /// Median, 95th percentile and maximum.
    pub(crate) fn tail(&self) -> impl Display {
        let max = self.sorted().last().copied().unwrap_or(0.0);
        format!("median {:.1}, p95 {:.1}, max {max:.1}", self.median(), self.quantile(95))
    }

    /// The standard deviation as a part of the mean, in percent.
    fn deviation_percent(&self) -> f64 {
        let count = self.0.len().max(1) as f64;
        let mean = self.0.iter().sum::<f64>() / count;
        let variance = self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        if mean == 0.0 { 0.0 } else { variance.sqrt() / mean * 100.0 }
    }

    /// Minimum, median and maximum, and how much they differ.
    pub(crate) fn evenness(&self) -> impl Display {
        let deviation = self.deviation_percent();
        format!("{self}, deviation {deviation:.1} %")
    }
}

impl Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = self.sorted();
        let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return f.write_str("none") };
        write!(f, "min {first:.1}, median {:.1}, max {last:.1}", self.median())
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

pub(crate) fn ms(time: Duration) -> impl Display {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

pub(crate) fn seconds(time: Duration) -> impl Display {
    format!("{:.1} s", time.as_secs_f64())
}

pub(crate) fn mib(bytes: u64) -> impl Display {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
