//! The log on standard error: how lines look, and how much is logged.
//!
//! - The level can be changed while the process runs; plugins hear of it too, in this process and in workers. How lines
//!   look cannot: spans keep what was written of them.
//! - A level from the command line wins for the life of the process.
//! - With [`LogFormat::Json`] each line is one object, and no character in it acts on a terminal.

use std::io::{self, Write};

use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, fmt as lines, reload};

use crate::config::{LogFormat, LogLevel};
use crate::text::json_printable;

/// The log of this process. Cheap to clone.
#[derive(Clone)]
pub struct Logging {
    filter: reload::Handle<LevelFilter, Registry>,
    /// The level of the command line.
    fixed: Option<LogLevel>,
}

impl Logging {
    /// Begins to log, at `fixed` if there is one, else at `level` until that is changed.
    pub fn start(format: LogFormat, level: LogLevel, fixed: Option<LogLevel>) -> Self {
        let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        let (logging, subscriber) = Self::on(format, level, fixed, colour, io::stderr);
        // Fails only if this process logs already, which is as good.
        let _ = tracing::subscriber::set_global_default(subscriber);
        logging
    }

    fn on<W: Write + 'static>(
        format: LogFormat,
        level: LogLevel,
        fixed: Option<LogLevel>,
        colour: bool,
        out: impl Fn() -> W + Send + Sync + 'static,
    ) -> (Self, impl Subscriber + Send + Sync) {
        let (filter, handle) = reload::Layer::new(LevelFilter::from(fixed.unwrap_or(level)));
        let subscriber = Registry::default().with(filter).with(layer(format, colour, out));
        (Self { filter: handle, fixed }, subscriber)
    }

    /// Changes how much is logged, unless the command line says it.
    pub fn set_level(&self, level: LogLevel) {
        // The filter lives as long as the process logs.
        let _ = self.filter.reload(LevelFilter::from(self.fixed.unwrap_or(level)));
    }
}

fn layer<S: Subscriber + for<'s> LookupSpan<'s>, W: Write + 'static>(
    format: LogFormat,
    colour: bool,
    out: impl Fn() -> W + Send + Sync + 'static,
) -> Box<dyn Layer<S> + Send + Sync> {
    match format {
        LogFormat::Pretty => lines::layer().with_ansi(colour).with_writer(out).boxed(),
        LogFormat::Json => lines::layer()
            .json()
            .with_current_span(false)
            .with_ansi(false)
            .with_writer(move || Escaping { out: out() })
            .boxed(),
    }
}

/// Escapes what JSON lets through and a terminal acts on. Gets each line in one piece.
struct Escaping<W> {
    out: W,
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.out.write_all(json_printable(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn taken(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged by `work`.
    fn logged(format: LogFormat, fixed: Option<LogLevel>, work: impl FnOnce(&Logging)) -> String {
        let lines = Lines::default();
        let out = lines.clone();
        let (logging, subscriber) = Logging::on(format, LogLevel::Info, fixed, false, move || out.clone());
        tracing::subscriber::with_default(subscriber, || work(&logging));
        lines.taken()
    }

    #[test]
    fn the_level_changes_while_it_runs() {
        let text = logged(LogFormat::Pretty, None, |logging| {
            for (level, number) in [(LogLevel::Info, 1), (LogLevel::Debug, 2), (LogLevel::Error, 3)] {
                logging.set_level(level);
                tracing::debug!("debug {number}");
                tracing::error!("error {number}");
            }
        });
        for (line, is_there) in [("debug 1", false), ("debug 2", true), ("debug 3", false), ("error 3", true)]
        {
            assert_eq!(text.contains(line), is_there, "{line}: {text}");
        }
    }

    #[test]
    fn the_command_line_wins() {
        let text = logged(LogFormat::Pretty, Some(LogLevel::Error), |logging| {
            tracing::warn!("before");
            logging.set_level(LogLevel::Trace);
            tracing::warn!("after");
        });
        assert_eq!(text, "");
    }

    #[test]
    fn json_is_one_harmless_object_a_line_with_its_spans() {
        let text = logged(LogFormat::Json, None, |_| {
            let span = tracing::info_span!("check", repository = "a\u{9b}31m", integration = "acme");
            let _entered = span.enter();
            tracing::warn!(name = "\u{7f}\u{202e}", "one\ntwo\u{1b}[2J");
            tracing::info!("three");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["fields"]["message"], "one\ntwo\u{1b}[2J");
        assert_eq!(lines[0]["fields"]["name"], "\u{7f}\u{202e}");
        assert_eq!(lines[1]["level"], "INFO");
        for line in &lines {
            let span = &line["spans"][0];
            assert_eq!((&span["repository"], &span["integration"]), (&"a\u{9b}31m".into(), &"acme".into()));
        }
        assert!(
            !text.contains(|char: char| char.is_control() && char != '\n' || char == '\u{202e}'),
            "{text:?}"
        );
    }
}
