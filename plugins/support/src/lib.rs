//! What the plugins in this repository share. No promise to anybody else: a stranger's plugin needs the plugin API alone.
//!
//! Pure text in, text out; nothing here knows the ABI or a forge.
#![forbid(unsafe_code)]

pub mod raw;
pub mod segment;
mod shown;

pub use raw::{RawUrl, Scheme};
pub use shown::{Shown, without_user_info};
