//! What the daemon says about itself at `/metrics`.

use std::net::SocketAddr;

use crate::ask::ask;

/// The bound of a histogram's bucket, and how many observations lie within it.
pub(super) type Bucket = (f64, f64);

/// One scrape.
pub(super) struct Metrics(String);

impl Metrics {
    /// What is there now, if there is anything.
    pub(super) fn scrape(address: SocketAddr) -> Option<Self> {
        let reply = ask(address, "GET", "/metrics", "").ok()?;
        (reply.status == 200).then_some(Self(reply.body))
    }

    /// The buckets of a histogram without labels of its own.
    pub(super) fn buckets(&self, name: &str) -> Vec<Bucket> {
        let bound = |labels: &str| {
            let text = labels.split_once("le=\"")?.1.split_once('"')?.0;
            text.parse().ok()
        };
        let series = self.series(name);
        let mut buckets: Vec<Bucket> =
            series.filter_map(|(labels, count)| Some((bound(labels)?, count))).collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }

    fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
            let (labels, value) = rest.rsplit_once(' ')?;
            Some((labels, value.parse().ok()?))
        })
    }
}

/// The bound under which this part of what was observed between two scrapes lies.
pub(super) fn quantile(before: &[Bucket], after: &[Bucket], part: f64) -> Option<f64> {
    let counts = |bound: f64| before.iter().find(|(it, _)| *it == bound).map_or(0.0, |(_, count)| *count);
    let since: Vec<_> = after.iter().map(|(bound, count)| (*bound, count - counts(*bound))).collect();
    let all = since.last().filter(|(_, all)| *all > 0.0)?.1;
    since.into_iter().find(|(_, count)| *count >= all * part).map(|(bound, _)| bound)
}
