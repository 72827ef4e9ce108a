//! Links: one that carries a user, a token, an address or a profile is masked; a plain one stays, and nothing inside it is
//! masked.

use super::claims::Claims;
use super::scan::{is_word, starts_word};
use super::words::is_listed;
use super::{Kind, Page};

/// Longest link that is looked at, in bytes; more is cut into several.
const MAX_URL: usize = 2048;

pub(super) fn find(page: &Page<'_>, claims: &mut Claims) {
    let bytes = page.bytes;
    let mut from = 0;
    while let Some(ahead) = bytes[from..].iter().position(|byte| *byte == b'/') {
        let slash = from + ahead;
        from = slash + 1;
        let Some((start, end)) = extent(page, slash) else { continue };
        if end <= slash {
            continue;
        }
        from = end;
        if is_personal(&page.text[start..end]) {
            claims.add(start, end, Kind::Url);
        } else if claims.is_free(start, end) {
            claims.protect(start, end);
        }
    }
}

/// The link around the slash at `slash`: `scheme://...`, or a host name directly before the slash.
fn extent(page: &Page<'_>, slash: usize) -> Option<(usize, usize)> {
    let bytes = page.bytes;
    let start = if slash > 0 && bytes[slash - 1] == b':' && bytes.get(slash + 1) == Some(&b'/') {
        let scheme =
            bytes[slash.saturating_sub(16)..slash - 1].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        (scheme >= 2).then(|| slash - 1 - scheme)?
    } else {
        let host = bytes[slash.saturating_sub(128)..slash]
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
            .count();
        let name = &page.text[slash - host..slash];
        let top = name.rsplit('.').next().filter(|top| top.len() < name.len())?;
        let is_host = name.len() >= 4
            && top.len() >= 2
            && top.bytes().all(|b| b.is_ascii_alphabetic())
            && starts_word(bytes, slash - host)
            && (slash == host || bytes[slash - host - 1] != b'@');
        let known = is_listed(TOP_DOMAINS, top);
        (is_host && known).then_some(slash - host)?
    };
    let len = bytes[slash..]
        .iter()
        .take(MAX_URL)
        .take_while(|byte| {
            !byte.is_ascii_whitespace() && !matches!(byte, b'<' | b'>' | b'"' | b'`' | b'{' | b'}' | b'|' | b'\\' | b'^')
        })
        .count();
    let mut end = slash + len;
    while end < bytes.len() && bytes[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    // Punctuation at the end belongs to the sentence.
    while end > slash + 1 && matches!(bytes[end - 1], b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*' | b'_')
        || end > slash + 1 && bytes[end - 1] == b')' && !bytes[start..end].contains(&b'(')
        || end > slash + 1 && bytes[end - 1] == b']' && !bytes[start..end].contains(&b'[')
    {
        end -= 1;
    }
    Some((start, end))
}

/// Last labels of hosts that are links without a scheme; "and/or.else" is none.
const TOP_DOMAINS: &str = "\
    com org net me gov edu app io co social ly us uk de fr es it pt br eu ca au in ru tv gg info online nl ch at be";

/// Networks whose first path segment is a person, and how their own pages begin.
const PROFILE_HOSTS: &str = "\
    facebook.com fb.com instagram.com twitter.com x.com t.me telegram.me wa.me github.com gitlab.com venmo.com \
    paypal.me cash.app vk.com ok.ru threads.net soundcloud.com patreon.com linktr.ee twitch.tv pinterest.com \
    vimeo.com mobile.twitter.com m.facebook.com xing.com medium.com m.me tiktok.com youtube.com buymeacoffee.com \
    ko-fi.com about.me last.fm flickr.com";

/// First path segments on these hosts that are nobody's.
const OWN_PAGES: &str = "\
    search hashtag i home explore watch events event groups group pages page p reel reels share sharer sharer.php \
    intent login help about policies privacy terms tags topics marketplace photo photo.php photos story.php \
    permalink.php video videos stories status settings playlist results embed shorts live feed channel c jobs \
    company notifications maps hashtags discover directory s joinchat addstickers tv media dialog plugins";

/// Path segments that are followed by a person, on any host.
const PERSON_SEGMENTS: &str = "\
    user users u profile profiles people person member members in author authors account accounts add profil usuario \
    usuarios perfil utente utilisateur benutzer mitglied mitglieder customer customers citizen citizens resident \
    residents patient patients employee athlete athletes";

/// Segments after these words that are no person.
const NOT_PERSONS: &str = "\
    guide guides manual search settings login signup register list all new edit index help faq overview home \
    index.html services benefits policy";

/// Names of parameters that carry a person or the key to something of theirs.
const PERSONAL_KEYS: &str = "\
    token access_token auth auth_token authtoken id_token refresh_token key api_key apikey secret client_secret sig \
    signature session sessionid session_id sid phpsessid jsessionid password passwd pwd pass pin user username \
    user_name userid user_id uid login email mail e-mail e_mail phone tel mobile name firstname first_name lastname \
    last_name fullname full_name account account_id acct customer customer_id customerid member member_id memberid \
    patient ssn dob birthdate jwt otp code_verifier credential credentials usr owner author contact profile person \
    citizen citizen_id resident_id reset_token invite unsubscribe recipient address nutzer benutzer usuario \
    benutzername utente hash apitoken api_token magic";

/// Whether a link identifies a person or opens something of theirs.
fn is_personal(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, tail) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    if authority.contains('@') || tail.contains("eyJ") || contains_ignore_case(tail, "%40") {
        return true;
    }
    let (path, query) = tail.find(['?', '#', ';']).map_or((tail, ""), |at| tail.split_at(at));
    has_address(tail) || has_personal_key(query) || is_profile(authority, path) || is_own_site(authority)
}

fn contains_ignore_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// An e-mail address within: an at sign with a name before and a dot after. Maps write `@42.35,-71.05`.
fn has_address(tail: &str) -> bool {
    tail.match_indices('@').any(|(at, _)| {
        let before = tail[..at].bytes().next_back().is_some_and(is_word);
        before && super::email::domain_end(tail.as_bytes(), at + 1).is_some()
    })
}

/// A parameter of a personal name with a value.
fn has_personal_key(query: &str) -> bool {
    query.split(['?', '&', '#', ';']).filter_map(|part| part.split_once('=')).any(|(key, value)| {
        let key = key.rsplit(['[', '.', '/']).next().unwrap_or(key);
        !value.is_empty() && is_listed(PERSONAL_KEYS, key)
    })
}

/// A host that a person has from a network: `annasmith.tumblr.com`.
fn is_own_site(authority: &str) -> bool {
    const HOSTS: &str =
        "tumblr.com blogspot.com wordpress.com substack.com livejournal.com carrd.co neocities.org bandcamp.com";
    const OWN: &str = "www assets static media api support help en developer";
    authority.split_once('.').is_some_and(|(user, host)| is_listed(HOSTS, host) && !is_listed(OWN, user))
}

/// A path that leads to a person's page.
fn is_profile(authority: &str, path: &str) -> bool {
    let host = authority.strip_prefix("www.").unwrap_or(authority);
    let mut segments = path.split('/').skip(1).peekable();
    let first = segments.peek().copied().unwrap_or_default();
    if is_listed(PROFILE_HOSTS, host) {
        let own = first.is_empty() || is_listed(OWN_PAGES, first);
        let person = first.starts_with('@') || first.eq_ignore_ascii_case("profile.php") || (!own && !is_post(host, first));
        if person {
            return true;
        }
    }
    let mut previous = "";
    while let Some(segment) = segments.next() {
        let named = |mark: char| {
            segment.strip_prefix(mark).is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'))
        };
        if named('~') || named('@') && previous != "maps" {
            return true;
        }
        let next = segments.peek().copied().unwrap_or_default();
        let person = is_listed(PERSON_SEGMENTS, segment);
        if person && !next.is_empty() && !is_listed(NOT_PERSONS, next) {
            return true;
        }
        previous = segment;
        let opens = matches!(
            segment.to_ascii_lowercase().as_str(),
            "reset" | "reset-password" | "invite" | "verify" | "unsubscribe" | "magic" | "confirm" | "token" | "activate"
        );
        if opens && next.len() >= 12 && next.bytes().any(|b| b.is_ascii_digit()) {
            return true;
        }
    }
    false
}

/// Hosts whose first segment is a post or a file, not a person.
fn is_post(host: &str, first: &str) -> bool {
    let host_is = |name: &str| host.eq_ignore_ascii_case(name);
    host_is("youtube.com")
        || host_is("vimeo.com") && first.bytes().all(|b| b.is_ascii_digit())
        || host_is("tiktok.com")
        || host_is("medium.com")
}

#[cfg(test)]
mod tests {
    use super::is_personal;

    #[test]
    fn links_with_a_person_are_told_from_plain_ones() {
        for personal in [
            "https://jane:secret@example.org/",
            "https://example.org/?email=jane%40example.org",
            "https://example.org/reports?access_token=8fj2k",
            "https://www.facebook.com/jane.doe",
            "https://twitter.com/janedoe/status/17",
            "https://linkedin.com/in/jane-doe",
            "https://example.org/~jane",
            "https://mastodon.example/@jane",
            "https://example.org/users/jane",
            "t.me/janedoe",
            "https://bsky.app/profile/jane.bsky.social",
            "https://example.org/unsubscribe/jane@example.org",
            "https://janedoe.tumblr.com",
        ] {
            assert!(is_personal(personal), "{personal}");
        }
        for plain in [
            "https://www.boston.gov/departments/311",
            "https://example.org/cases?id=101000295613&page=2",
            "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
            "https://maps.example.org/place/@42.35,-71.05,15z",
            "https://twitter.com/hashtag/pothole",
            "http://j.mp/cChSAc",
            "https://www.facebook.com/events/123456",
            "https://www.tumblr.com/",
            "https://example.org/user/manual",
        ] {
            assert!(!is_personal(plain), "{plain}");
        }
    }
}
