//! Tables in `docs/methods/` that a test computes.

use std::path::PathBuf;

/// Whether the table `example` of a page is `content`; with `CIVICPULSE_BLESS=1` it is made so.
pub fn page_has(page: &str, example: &str, content: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/methods")).join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- example: {example} -->\n"), "<!-- end -->");
    let from = text.find(&begin).unwrap_or_else(|| panic!("{page} has no example {example}")) + begin.len();
    let to = from + text[from..].find(end).unwrap();
    if std::env::var_os("CIVICPULSE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, format!("{}{content}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    assert!(&text[from..to] == content, "the example {example} in docs/methods/{page} is stale; it is now\n{content}");
}
