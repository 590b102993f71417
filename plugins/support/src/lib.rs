//! What the plugins in this repository share. No promise to anybody else: a stranger's plugin needs the plugin API alone.
//!
//! Pure text in, text out: it decides where a token may go, so it is told once. Nothing here knows a forge or does I/O.
#![forbid(unsafe_code)]

pub mod configured;
pub mod raw;
pub mod roots;
pub mod segment;
mod shown;
pub mod urls;

pub use raw::{RawUrl, Scheme};
pub use shown::{Shown, without_user_info};
