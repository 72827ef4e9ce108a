//! Jetstream's frames (version 1): <https://github.com/bluesky-social/jetstream>.

use std::borrow::Cow;

use feedback::Timestamp;
use serde::Deserialize;

/// The collection of posts.
pub const POSTS: &str = "app.bsky.feed.post";

/// One frame. Fields that are not needed are not read.
#[derive(Debug, Deserialize)]
pub struct Frame<'a> {
    /// The account.
    #[serde(borrow, default)]
    pub did: Cow<'a, str>,
    /// The server's time in microseconds: the cursor.
    #[serde(default)]
    pub time_us: i64,
    /// `commit`, `identity` or `account`.
    #[serde(borrow, default)]
    pub kind: Cow<'a, str>,
    /// What happened to a record.
    #[serde(borrow, default)]
    pub commit: Option<Commit<'a>>,
    /// What happened to the account.
    #[serde(borrow, default)]
    pub account: Option<Account<'a>>,
    /// A server that gives up says why.
    #[serde(borrow, default)]
    pub error: Option<Cow<'a, str>>,
    /// See `error`.
    #[serde(borrow, default)]
    pub message: Option<Cow<'a, str>>,
}

/// What happened to a record.
#[derive(Debug, Deserialize)]
pub struct Commit<'a> {
    /// `create`, `update` or `delete`.
    #[serde(borrow)]
    pub operation: Cow<'a, str>,
    /// Of what kind the record is.
    #[serde(borrow)]
    pub collection: Cow<'a, str>,
    /// Its key within the account.
    #[serde(borrow)]
    pub rkey: Cow<'a, str>,
    /// The record, of which only what posts have is read.
    #[serde(borrow, default)]
    pub record: Option<Post<'a>>,
}

/// A frame whose record is of no interest: what remains readable when another kind of record has fields of other types.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    /// The server's time in microseconds.
    pub time_us: i64,
    /// See [`Header`].
    pub commit: Header,
}

/// The kind of record in a frame.
#[derive(Debug, Deserialize)]
pub struct Header {
    /// Of what kind the record is.
    pub collection: String,
}

/// What happened to an account.
#[derive(Debug, Deserialize)]
pub struct Account<'a> {
    /// Whether it can be seen.
    pub active: bool,
    /// If not, why: `deleted`, `takendown`, `suspended`, `deactivated`.
    #[serde(borrow, default)]
    pub status: Option<Cow<'a, str>>,
}

impl Account<'_> {
    /// Whether everything by the account is to be forgotten. The other states are passing ones.
    pub fn is_gone(&self) -> bool {
        !self.active && matches!(self.status.as_deref(), Some("deleted" | "takendown"))
    }
}

/// A post.
#[derive(Debug, Deserialize)]
pub struct Post<'a> {
    /// What was said.
    #[serde(borrow, default)]
    pub text: Cow<'a, str>,
    /// When, as the sender's program says.
    #[serde(borrow, default, rename = "createdAt")]
    pub created_at: Option<Cow<'a, str>>,
    /// BCP 47 tags.
    #[serde(borrow, default)]
    langs: Option<Vec<Cow<'a, str>>>,
    #[serde(default)]
    facets: Option<Vec<Facet>>,
    #[serde(default)]
    reply: Option<Reply>,
}

#[derive(Debug, Deserialize)]
struct Facet {
    #[serde(default)]
    features: Vec<Feature>,
}

#[derive(Debug, Deserialize)]
struct Feature {
    #[serde(default)]
    did: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    parent: Link,
    root: Link,
}

#[derive(Debug, Deserialize)]
struct Link {
    uri: String,
}

impl Post<'_> {
    /// The declared languages as ISO 639-1, in order.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        let primary = |tag: &'_ Cow<'_, str>| tag.split(['-', '_']).next().map(str::len);
        let tags = self.langs.iter().flatten();
        tags.filter_map(move |tag| primary(tag).map(|length| &tag[..length]))
            .filter(|language| language.len() == 2 && language.bytes().all(|b| b.is_ascii_alphabetic()))
    }

    /// Whether the post mentions an account or answers one of its posts.
    pub fn refers_to(&self, did: &str) -> bool {
        let mentioned =
            self.facets.iter().flatten().flat_map(|facet| &facet.features).any(|feature| feature.did.as_deref() == Some(did));
        let owns = |link: &Link| link.uri.strip_prefix("at://").and_then(|path| path.split('/').next()) == Some(did);
        mentioned || self.reply.as_ref().is_some_and(|reply| owns(&reply.parent) || owns(&reply.root))
    }

    /// When it was said: the sender's time, but not after the server saw it, and not before 1970 or without sense.
    pub fn said_at(&self, seen_at: Timestamp) -> Timestamp {
        let stated = self.created_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        stated.filter(|stated| stated.micros() >= 0).map_or(seen_at, |stated| stated.min(seen_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_clocks_are_not_trusted() {
        let seen = Timestamp::from_secs(1_800_000_000);
        let said = |created_at: &str| {
            let json = format!("{{\"text\":\"x\",\"createdAt\":\"{created_at}\"}}");
            serde_json::from_str::<Post<'_>>(&json).unwrap().said_at(seen)
        };
        assert_eq!(said("2026-07-04T14:38:06.240Z"), "2026-07-04T14:38:06.240Z".parse().unwrap());
        for nonsense in ["2199-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1960-01-01T00:00:00Z", "yesterday"] {
            assert_eq!(said(nonsense), seen, "{nonsense}");
        }
    }

    #[test]
    fn languages_are_reduced_to_their_first_part() {
        let post: Post<'_> = serde_json::from_str(r#"{"text":"x","langs":["en-US","yue","pt_BR","","é1"]}"#).unwrap();
        assert_eq!(post.languages().collect::<Vec<_>>(), ["en", "pt"]);
    }
}
