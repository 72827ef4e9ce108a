//! JSON with half of a surrogate pair: `"\ud83d"` alone is what a text becomes that was cut in the middle of an emoji. JSON
//! forbids it and programs write it; the text is no reason to stop.

use std::borrow::Cow;

/// The replacement character, as an escape of the same length.
const REPLACEMENT: &str = "\\ufffd";

/// `json` with every escape of a lone surrogate replaced; borrowed where there is none.
pub fn mended(json: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(ahead) = json[at..].find('\\') {
        let escape = at + ahead;
        let unit = unit_at(json, escape);
        let pair = matches!(unit, Some(0xD800..=0xDBFF)) && matches!(unit_at(json, escape + 6), Some(0xDC00..=0xDFFF));
        let lone = !pair && matches!(unit, Some(0xD800..=0xDFFF));
        if lone {
            mended.push_str(&json[kept..escape]);
            mended.push_str(REPLACEMENT);
            kept = escape + 6;
        }
        at = match unit {
            _ if pair => escape + 12,
            Some(_) => escape + 6,
            // Past the escaped character, which may be a backslash.
            None => json[escape + 1..].chars().next().map_or(json.len(), |c| escape + 1 + c.len_utf8()),
        };
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[kept..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit that `\uXXXX` at byte `at` writes.
fn unit_at(json: &str, at: usize) -> Option<u32> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) { u32::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::mended;

    #[test]
    fn only_lone_surrogates_are_replaced() {
        assert_eq!(mended(r#""a \ud83d b""#), r#""a \ufffd b""#);
        assert_eq!(mended(r#""\ud83d\ude00 \ude00""#), r#""\ud83d\ude00 \ufffd""#);
        assert_eq!(mended(r#""\ud83d\ud83d\ude00""#), r#""\ufffd\ud83d\ude00""#);
        for same in [r#""\\ud83d""#, r#""\u00e9 \n""#, r#""\u12"#, "\"\\", "", r#""\\\\ud83d\"""#] {
            assert_eq!(mended(same), same);
        }
    }
}
