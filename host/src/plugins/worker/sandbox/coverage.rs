//! What of the sandbox a process really has. Made of facts, not of text, since it crosses a process boundary.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// How much of the sandbox holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::plugins) enum Coverage {
    /// All of it. An older Landlock counts as all: the call filter refuses whatever that does not know.
    Full,
    /// Not these parts.
    Partial(Vec<Gap>),
    /// This system has no sandbox.
    None,
}

/// A part that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::plugins) enum Gap {
    /// The kernel has no Landlock, or it is not switched on.
    Landlock {
        /// Whether the kernel has it, switched off.
        known: bool,
    },
    /// The kernel refuses to filter calls, so that Landlock alone holds.
    Calls {
        /// The system's error number; 0 if there is no filter for this kind of machine.
        errno: i32,
        /// The version of Landlock's interface; 0 without Landlock.
        landlock: u8,
    },
    /// The process had more than one thread: the others are not covered.
    Threads,
    /// Capabilities could not be given up.
    Capabilities {
        /// The system's error number.
        errno: i32,
    },
    /// Crashes are not reported.
    CrashReports {
        /// The system's error number.
        errno: i32,
    },
}

impl Coverage {
    pub(super) fn of(gaps: Vec<Gap>) -> Self {
        if gaps.is_empty() { Self::Full } else { Self::Partial(gaps) }
    }

    /// Whether nothing is missing.
    pub(in crate::plugins) fn is_full(&self) -> bool {
        *self == Self::Full
    }

    /// Whether calls are filtered.
    pub(super) fn has_call_filter(&self) -> bool {
        match self {
            Self::Full => true,
            Self::Partial(gaps) => !gaps.iter().any(|gap| matches!(gap, Gap::Calls { .. })),
            Self::None => false,
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::None => f.write_str("none: only on Linux"),
            Self::Partial(gaps) => {
                for (index, gap) in gaps.iter().enumerate() {
                    write!(f, "{}{gap}", if index == 0 { "partial: " } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = |errno: &i32| io::Error::from_raw_os_error(*errno);
        match self {
            Self::Landlock { known } => {
                let cause = if *known { "switched off in this kernel" } else { "not in this kernel" };
                write!(f, "no Landlock ({cause}), so a plugin can read files while it is opened")
            }
            Self::Calls { errno: 0, landlock } => {
                write!(f, "no system call filter (none for this machine), so {}", left_open(*landlock))
            }
            Self::Calls { errno, landlock } => {
                write!(f, "no system call filter ({}), so {}", why(errno), left_open(*landlock))
            }
            Self::Threads => f.write_str("the process had several threads, of which one is covered"),
            Self::Capabilities { errno } => write!(f, "it keeps its capabilities ({})", why(errno)),
            Self::CrashReports { errno } => write!(f, "no crash reports ({})", why(errno)),
        }
    }
}

/// What a plugin can do when there is only Landlock, of this version.
fn left_open(landlock: u8) -> &'static str {
    match landlock {
        0 => "a plugin can do what this user can",
        1..=3 => "a plugin can use the network, start processes and send signals",
        4..=5 => "a plugin can use other networks than TCP, start processes and send signals",
        6..=9 => "a plugin can use other networks than TCP and start processes",
        _ => "a plugin can start processes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_one_short_phrase() {
        let both = Coverage::of(vec![Gap::Landlock { known: false }, Gap::Calls { errno: 1, landlock: 0 }]);
        for (coverage, filtered, phrase) in [
            (Coverage::of(vec![]), true, "full"),
            (Coverage::None, false, "none: only on Linux"),
            (
                Coverage::of(vec![Gap::Landlock { known: true }]),
                true,
                "partial: no Landlock (switched off in this kernel), so a plugin can read files while it is opened",
            ),
            (
                both,
                false,
                "partial: no Landlock (not in this kernel), so a plugin can read files while it is opened; no system \
                 call filter (Operation not permitted (os error 1)), so a plugin can do what this user can",
            ),
        ] {
            assert_eq!(coverage.to_string(), phrase);
            assert_eq!((coverage.is_full(), coverage.has_call_filter()), (phrase == "full", filtered));
            let sent = serde_json::to_string(&coverage).unwrap();
            assert_eq!(serde_json::from_str::<Coverage>(&sent).unwrap(), coverage);
        }
    }
}
