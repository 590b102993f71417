//! A plugin's `tracing` events on their way into the host's log.
//!
//! A library has its own `tracing` statics, so a subscriber set here hears this plugin and nothing else. Spans
//! are not carried over: the host runs every call inside a span of its own, and that is the one that counts.

use std::fmt::{Debug, Write};

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes as SpanAttributes, Id, Record};
use tracing_core::{Event, Interest, Level, Metadata, Subscriber};

use crate::abi::LogRecord;
use crate::host::Host;
use crate::types::Attributes;

/// Sends this library's events to `host` from now on. Only the first call in a library counts.
pub(crate) fn forward_to(host: Host) {
    let _ = tracing::subscriber::set_global_default(Forward { host });
}

struct Forward {
    host: Host,
}

fn level_code(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl Subscriber for Forward {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The host's level may change at any time, so events are asked about one by one.
        if metadata.is_event() { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && level_code(*metadata.level()) <= self.host.log_level()
    }

    fn new_span(&self, _: &SpanAttributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.host.log(LogRecord {
            level: level_code(*event.metadata().level()),
            target: event.metadata().target().into(),
            message: text.message.into(),
            fields: text.fields,
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text {
    message: String,
    fields: Attributes,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => self.fields.append(name, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            // Writing to a text does not fail.
            "message" => drop(write!(self.message, "{value:?}")),
            name => self.fields.append(name, format!("{value:?}")),
        }
    }
}
