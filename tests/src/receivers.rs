//! Those who are told of incidents, as they really are or as they go wrong: a receiver of webhooks, Alertmanager, and a
//! mail server.
//!
//! Each listens on a port of its own on this machine, remembers what it was told, and is gone when it is dropped. What
//! has to be installed for one is told when it is not there.

mod alertmanager;
mod certified;
mod mail;
mod python;
mod webhook;

pub use alertmanager::Alertmanager;
pub use certified::Certified;
pub use mail::{Mail, MailServer, MailSettings, Step};
pub use python::is_well_signed;
pub use webhook::{Answer, Received, Receiver};
