//! E-mail addresses (RFC 5321 in the forms that people type, RFC 6531 for letters beyond ASCII), also spelled out.

use super::claims::Claims;
use super::cues::CueKind;
use super::scan::{ceil_boundary, ends_word, floor_boundary, is_word, starts_word};
use super::{Kind, Page};

/// Bytes of a local part or a domain that are looked at; the standard allows 64 and 255.
const MAX_PART: usize = 256;

pub(super) fn find(page: &Page<'_>, claims: &mut Claims) {
    let mut from = 0;
    while let Some(ahead) = page.bytes[from..].iter().position(|byte| *byte == b'@') {
        let at = from + ahead;
        from = at + 1;
        let Some(start) = local_start(page, at) else { continue };
        let Some(end) = domain_end(page.bytes, at + 1) else { continue };
        claims.add(start, end, Kind::Email);
        from = end;
    }
    spelled_out(page, claims);
}

/// Where the local part that ends at `at` begins; `None` when there is none.
fn local_start(page: &Page<'_>, at: usize) -> Option<usize> {
    let floor = at.saturating_sub(MAX_PART);
    if at > 0 && page.bytes[at - 1] == b'"' {
        let open = page.bytes[floor..at - 1].iter().rposition(|byte| *byte == b'"')? + floor;
        return (at - open > 2).then_some(open);
    }
    let len = page.bytes[floor..at].iter().rev().take_while(|byte| is_local(**byte)).count();
    let mut start = ceil_boundary(page.text, at - len);
    while start < at && matches!(page.bytes[start], b'.' | b'-' | b'\'' | b'/' | b'=' | b'&' | b'?' | b'#' | b'!' | b'*') {
        start += 1;
    }
    // "@user@host" is a name in the fediverse.
    if start > 0 && page.bytes[start - 1] == b'@' {
        return None;
    }
    let last = page.text[start..at].chars().next_back()?;
    (last.is_ascii() || last.is_alphanumeric()).then_some(start)
}

const fn is_local(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'' | b'!' | b'#' | b'$' | b'&' | b'*' | b'=' | b'~')
}

/// Where the domain that begins at `from` ends: labels with a dot between, the last one letters, or an address in brackets.
pub(super) fn domain_end(bytes: &[u8], from: usize) -> Option<usize> {
    if bytes.get(from) == Some(&b'[') {
        let close = bytes[from..].iter().take(48).position(|byte| *byte == b']')?;
        return (close > 3).then_some(from + close + 1);
    }
    let mut end = None;
    let mut at = from;
    let mut labels = 0;
    while at - from < MAX_PART {
        let len = bytes[at..].iter().take(MAX_PART).take_while(|byte| is_word(**byte) || matches!(byte, b'-' | b'_')).count();
        let label = &bytes[at..at + len];
        let label = &label[..len - label.iter().rev().take_while(|byte| matches!(byte, b'-' | b'_')).count()];
        if label.is_empty() || label[0] == b'-' {
            break;
        }
        labels += 1;
        let top =
            label.len() >= 2 && label.iter().all(|byte| !byte.is_ascii_digit() && *byte != b'_') || label.starts_with(b"xn--");
        if labels >= 2 && top {
            end = Some(at + label.len());
        }
        if label.len() < len || bytes.get(at + len) != Some(&b'.') {
            break;
        }
        at += len + 1;
    }
    end
}

/// `jane (at) example dot org` and `jane at example dot org`.
fn spelled_out(page: &Page<'_>, claims: &mut Claims) {
    let dots = |cue: &&super::Cue| cue.kind == CueKind::SpelledAt;
    let mut last_end = 0;
    for cue in page.cues.iter().filter(dots) {
        if cue.start < last_end {
            continue;
        }
        let word = &page.bytes[cue.start..cue.end];
        let spelled = if is_at(word) {
            local_word(page, cue.start).zip(spelled_domain(page, cue.end))
        } else {
            at_before(page, cue.start).and_then(|at| local_word(page, at)).zip(Some(skip_dots(page.bytes, cue.end)))
        };
        if let Some((start, end)) = spelled
            && claims.add(start, end, Kind::Email)
        {
            last_end = end;
        }
    }
}

fn is_at(word: &[u8]) -> bool {
    word.windows(2).any(|pair| pair.eq_ignore_ascii_case(b"at"))
        || word.eq_ignore_ascii_case(b"arroba")
        || word.eq_ignore_ascii_case(b"chiocciola")
}

/// The word before `at`, which is a local part: its start.
fn local_word(page: &Page<'_>, at: usize) -> Option<usize> {
    let end = at - page.bytes[..at].iter().rev().take(2).take_while(|byte| **byte == b' ').count();
    let floor = floor_boundary(page.text, end.saturating_sub(64));
    let len =
        page.bytes[floor..end].iter().rev().take_while(|byte| is_word(**byte) || matches!(byte, b'.' | b'_' | b'-')).count();
    (len > 1).then(|| ceil_boundary(page.text, end - len))
}

/// Labels of the longest domain that is spelled out.
const MAX_LABELS: usize = 6;

/// Where the domain after a spelled at ends: words joined by dots, spelled or not.
fn spelled_domain(page: &Page<'_>, from: usize) -> Option<usize> {
    let bytes = page.bytes;
    let mut at = from + bytes[from..].iter().take(2).take_while(|byte| **byte == b' ').count();
    let mut labels = 0;
    loop {
        let len = bytes[at..].iter().take(64).take_while(|byte| is_word(**byte) || **byte == b'-').count();
        if len == 0 {
            return None;
        }
        at += len;
        labels += 1;
        let Some(next) = dot_at(bytes, at).filter(|_| labels < MAX_LABELS) else { break };
        if bytes.get(next).is_none_or(|byte| !is_word(*byte)) {
            break;
        }
        at = next;
    }
    (labels >= 2).then_some(at)
}

/// Where the text goes on after a dot at `at`, written as it is or spelled.
fn dot_at(bytes: &[u8], at: usize) -> Option<usize> {
    const DOTS: [&[u8]; 8] = [b".", b" (dot) ", b"(dot)", b" [dot] ", b"[dot]", b" {dot} ", b" dot ", b" punkt "];
    let rest = &bytes[at..];
    DOTS.iter().find(|dot| rest.len() > dot.len() && rest[..dot.len()].eq_ignore_ascii_case(dot)).map(|dot| at + dot.len())
}

/// The `at` in `jane at example`, when the text before `dot` ends so: where the word `at` starts.
fn at_before(page: &Page<'_>, dot: usize) -> Option<usize> {
    let bytes = page.bytes;
    let end = dot - bytes[..dot].iter().rev().take(2).take_while(|byte| **byte == b' ').count();
    let host = bytes[end.saturating_sub(64)..end]
        .iter()
        .rev()
        .take_while(|byte| is_word(**byte) || matches!(byte, b'-' | b'.'))
        .count();
    let host_start = end - host;
    [&b" at "[..], b" arroba ", b" chiocciola ", b" (at) ", b" [at] "]
        .iter()
        .find(|word| {
            host > 0 && bytes[..host_start].len() > word.len() && bytes[..host_start].to_ascii_lowercase_ends_with(word)
        })
        .map(|word| host_start - word.len() + 1)
}

/// After "dot co", a further "dot uk".
fn skip_dots(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    for _ in 0..2 {
        let Some(next) = dot_at(bytes, at) else { break };
        let len = bytes[next..].iter().take(8).take_while(|byte| byte.is_ascii_alphabetic()).count();
        if !(2..=6).contains(&len) || !ends_word(bytes, next + len) || !starts_word(bytes, next) || bytes[at] == b'.' {
            break;
        }
        at = next + len;
    }
    at
}

/// Comparison of an ending without regard to ASCII case.
trait EndsWith {
    fn to_ascii_lowercase_ends_with(&self, ending: &[u8]) -> bool;
}

impl EndsWith for [u8] {
    fn to_ascii_lowercase_ends_with(&self, ending: &[u8]) -> bool {
        self.len() >= ending.len() && self[self.len() - ending.len()..].eq_ignore_ascii_case(ending)
    }
}

#[cfg(test)]
mod tests {
    use super::domain_end;

    #[test]
    fn domains_end_in_letters() {
        fn end(text: &str) -> Option<&str> {
            domain_end(text.as_bytes(), 0).map(|end| &text[..end])
        }
        assert_eq!(end("example.org."), Some("example.org"));
        assert_eq!(end("mail.example.co.uk, ok"), Some("mail.example.co.uk"));
        assert_eq!(end("münchen.de"), Some("münchen.de"));
        assert_eq!(end("example"), None);
        assert_eq!(end("5.30"), None);
        assert_eq!(end("[192.168.0.1]"), Some("[192.168.0.1]"));
    }
}
