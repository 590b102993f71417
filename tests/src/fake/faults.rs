//! Rules that make the fake misbehave: which requests, how often, and what they get.
//!
//! The first rule that matches a request wins; a rule that is used up is gone. While there are no rules a
//! request costs one atomic load.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::Method;
use percent_encoding::percent_decode_str;

use super::answers::Answer;

/// How many requests a rule applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// All of them.
    Always,
    /// The next so many.
    Next(u32),
}

/// Which requests a rule applies to. Everything that is not narrowed down matches, except that only a rule
/// for the method `CONNECT` touches the opening of a tunnel.
#[derive(Clone, Debug)]
pub struct Match {
    host: Option<String>,
    method: Option<Method>,
    path_prefix: Option<String>,
    path_part: Option<String>,
    times: Times,
}

impl Match {
    /// Every request, always.
    pub fn any() -> Self {
        Self { host: None, method: None, path_prefix: None, path_part: None, times: Times::Always }
    }

    /// Requests to a token endpoint, always.
    pub fn token_endpoint() -> Self {
        Self::any().method(Method::POST).path_contains("/token")
    }

    /// Only requests to this host, given without port. Naming a host also makes the proxy serve it.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_ascii_lowercase());
        self
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only requests whose decoded path starts like this, in any case.
    #[must_use]
    pub fn path_prefix(mut self, prefix: &str) -> Self {
        self.path_prefix = Some(prefix.to_lowercase());
        self
    }

    /// Only requests whose decoded path contains this, in any case.
    #[must_use]
    pub fn path_contains(mut self, part: &str) -> Self {
        self.path_part = Some(part.to_lowercase());
        self
    }

    /// Only the next matching request.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only the next so many matching requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Times::Next(times);
        self
    }

    fn covers(&self, method: &Method, host: &str, path: &str) -> bool {
        self.times != Times::Next(0)
            && self.method.as_ref().map_or(*method != Method::CONNECT, |wanted| wanted == method)
            && self.host.as_ref().is_none_or(|wanted| wanted == host)
            && self.path_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix))
            && self.path_part.as_ref().is_none_or(|part| path.contains(part))
    }
}

#[derive(Default)]
pub(crate) struct Faults {
    armed: AtomicUsize,
    rules: Mutex<Vec<(Match, Answer)>>,
}

impl Faults {
    pub(crate) fn add(&self, rule: Match, answer: Answer) {
        let mut rules = self.rules();
        rules.push((rule, answer));
        self.armed.store(rules.len(), Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        let mut rules = self.rules();
        rules.clear();
        self.armed.store(0, Ordering::Release);
    }

    pub(crate) fn name_host(&self, host: &str) -> bool {
        self.rules().iter().any(|(rule, _)| rule.host.as_deref() == Some(host))
    }

    /// The answer of the first rule for this request, which counts as one use of it.
    pub(crate) fn take(&self, method: &Method, host: &str, path: &str) -> Option<Answer> {
        if self.armed.load(Ordering::Acquire) == 0 {
            return None;
        }
        let path = percent_decode_str(path).decode_utf8_lossy().to_lowercase();
        let mut rules = self.rules();
        let at = rules.iter().position(|(rule, _)| rule.covers(method, host, &path))?;
        let (rule, answer) = &mut rules[at];
        let answer = answer.clone();
        if let Times::Next(left) = &mut rule.times {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(at);
                self.armed.store(rules.len(), Ordering::Release);
            }
        }
        Some(answer)
    }

    fn rules(&self) -> MutexGuard<'_, Vec<(Match, Answer)>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
