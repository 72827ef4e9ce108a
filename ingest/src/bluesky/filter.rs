//! Which posts are about this city.

use serde::Deserialize;

use super::event::Post;
use crate::source::SourceError;

/// Most words, mentions and accounts a filter may have: each is looked for in every post of the network.
pub const MAX_TERMS: usize = 1_000;

/// What a city listens for. A post is taken if any of `words`, `mentions` or `accounts` applies, and its language fits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// Words or phrases, found as whole words, upper and lower case alike.
    pub words: Vec<String>,
    /// Handles (`city.example.org`) or DIDs that a post mentions, answers or quotes in its text.
    pub mentions: Vec<String>,
    /// DIDs whose every post is taken.
    pub accounts: Vec<String>,
    /// DIDs whose posts are never taken, such as the city's own.
    pub excluded_accounts: Vec<String>,
    /// ISO 639-1; empty: all. A post that declares no language passes.
    pub languages: Vec<String>,
}

/// A filter made ready.
#[derive(Debug)]
pub struct Filter {
    config: FilterConfig,
    /// Lower-case words and `@handle`s.
    terms: Vec<String>,
    /// DIDs among the mentions.
    dids: Vec<String>,
    lowered: String,
}

impl Filter {
    /// Checks and prepares a filter. One that could take nothing is refused, and so is one that would take everything by an empty word.
    pub fn new(config: FilterConfig) -> Result<Self, SourceError> {
        let count = config.words.len() + config.mentions.len() + config.accounts.len();
        let refuse = |remedy: &str| Err(SourceError::unusable("the Bluesky filter cannot be used", remedy));
        if count == 0 {
            return refuse("name words, mentions or accounts of the city");
        }
        if count > MAX_TERMS {
            return refuse("words, mentions and accounts: at most 1,000 together");
        }
        if config.words.iter().chain(&config.mentions).any(|term| term.trim().is_empty()) {
            return refuse("an empty word would match every post of the network: remove it");
        }
        let (dids, handles): (Vec<String>, Vec<String>) =
            config.mentions.iter().cloned().partition(|term| term.starts_with("did:"));
        let handles = handles.iter().map(|handle| format!("@{}", handle.trim_start_matches('@')));
        let terms = config.words.iter().cloned().chain(handles).map(|term| term.trim().to_lowercase()).collect();
        Ok(Self { config, terms, dids, lowered: String::new() })
    }

    /// Whether a post of `did` is about the city.
    pub fn takes(&mut self, did: &str, post: &Post<'_>) -> bool {
        let lists = |list: &[String]| list.iter().any(|known| known == did);
        if lists(&self.config.excluded_accounts) {
            return false;
        }
        let speaks = |language: &String| post.languages().any(|spoken| spoken.eq_ignore_ascii_case(language));
        let is_spoken =
            self.config.languages.is_empty() || post.languages().next().is_none() || self.config.languages.iter().any(speaks);
        if !is_spoken {
            return false;
        }
        lists(&self.config.accounts) || self.dids.iter().any(|did| post.refers_to(did)) || self.finds_word(&post.text)
    }

    fn finds_word(&mut self, text: &str) -> bool {
        self.lowered.clear();
        self.lowered.extend(text.chars().flat_map(char::to_lowercase));
        self.terms.iter().any(|term| contains_word(&self.lowered, term))
    }
}

/// Whether `term` stands in `text` with no letter or digit right before or behind it.
fn contains_word(text: &str, term: &str) -> bool {
    let is_part = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
    text.match_indices(term)
        .any(|(start, _)| !is_part(text[..start].chars().next_back()) && !is_part(text[start + term.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(json: &str) -> Post<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn words_stand_alone_in_any_case() {
        assert!(contains_word("the 311 line, springfield!", "springfield"));
        assert!(contains_word("straße in köln", "köln"));
        assert!(!contains_word("springfields", "springfield"));
        assert!(contains_word("springfields springfield", "springfield"));
    }

    #[test]
    fn a_post_is_taken_for_a_word_a_mention_or_an_account_in_a_language_that_fits() {
        let mut filter = Filter::new(FilterConfig {
            words: vec!["Springfield".into()],
            mentions: vec!["did:plc:city".into(), "@Town.example.org".into()],
            accounts: vec!["did:plc:bus".into()],
            excluded_accounts: vec!["did:plc:city".into()],
            languages: vec!["en".into()],
        })
        .unwrap();
        let text = r#"{"text":"In SPRINGFIELD again","langs":["en-US"]}"#;
        assert!(filter.takes("did:plc:a", &post(text)));
        assert!(!filter.takes("did:plc:city", &post(text)));
        assert!(!filter.takes("did:plc:a", &post(r#"{"text":"springfield","langs":["pt"]}"#)));
        assert!(filter.takes("did:plc:a", &post(r#"{"text":"springfield"}"#)));
        assert!(filter.takes("did:plc:a", &post(r#"{"text":"hey @town.example.org fix it"}"#)));
        assert!(filter.takes("did:plc:bus", &post(r#"{"text":"late"}"#)));
        let answer = r#"{"text":"no","reply":{"root":{"uri":"at://did:plc:x/a/1"},"parent":{"uri":"at://did:plc:city/app.bsky.feed.post/1"}}}"#;
        assert!(filter.takes("did:plc:a", &post(answer)));
        let mention =
            r#"{"text":"hi","facets":[{"features":[{"$type":"app.bsky.richtext.facet#mention","did":"did:plc:city"}]}]}"#;
        assert!(filter.takes("did:plc:a", &post(mention)));
        assert!(!filter.takes("did:plc:a", &post(r#"{"text":"elsewhere"}"#)));
    }

    #[test]
    fn filters_that_take_nothing_or_everything_are_refused() {
        assert!(Filter::new(FilterConfig::default()).is_err());
        assert!(Filter::new(FilterConfig { words: vec![" ".into()], ..Default::default() }).is_err());
        assert!(Filter::new(FilterConfig { words: vec!["a".into(); MAX_TERMS + 1], ..Default::default() }).is_err());
    }
}
