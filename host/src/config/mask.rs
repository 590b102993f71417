//! Masking lives with all other text that is shown.

pub use crate::text::mask_user_info;
