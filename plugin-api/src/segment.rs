//! One segment of a URL's path, for plugins that put names into URLs. It does not cross the ABI.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::types::{Failure, Reason};

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes `text` (a name, an owner, an id; decoded) as one segment of a URL's path.
///
/// # Errors
///
/// [`Reason::NOT_FOUND`] for what no segment can be: nothing, `.`, `..`, a slash, a backslash or a control
/// character. A URL with one of these leads elsewhere, escaped or not, and the answer of another address must
/// not become a verdict. Take a group with slashes apart first and encode each part.
///
/// ```
/// use forgewatch_plugin_api::path_segment;
///
/// assert_eq!(path_segment("Web Shop?").unwrap(), "Web%20Shop%3F");
/// assert!(path_segment("..").is_err());
/// ```
pub fn path_segment(text: &str) -> Result<String, Failure> {
    let moves =
        matches!(text, "" | "." | "..") || text.contains(|c: char| c == '/' || c == '\\' || c.is_control());
    if moves {
        let detail = match text {
            "" => "the URL needs a name that is missing, so nothing was asked: set it".to_owned(),
            text => {
                let shown = text.escape_debug();
                format!("`{shown}` can be no name in a URL, so nothing was asked: correct it")
            }
        };
        return Err(Failure::new(Reason::NOT_FOUND, detail));
    }
    Ok(utf8_percent_encode(text, ESCAPED).to_string())
}
