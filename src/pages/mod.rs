//! The HTML that people see: one calm page that says what happened and how to go on.
//! Never knows: why it is shown. Clients, logins and error codes stay in `provider`.
//! Standards: WCAG 2.2 AA; OpenID Connect Core 1.0 section 3.1.2.6 for when a page is all that is left.

use askama::Template;

/// The look of every page, to be served at the address that [`Message::stylesheet`] names.
///
/// Pages hold neither script nor inline style, so `style-src 'self'` is all that they need.
pub const STYLESHEET: &str = include_str!("style.css");

/// A page with one thing to say.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Where the browser finds [`STYLESHEET`]: an absolute path, or an URL of the same origin.
    pub stylesheet: &'a str,
    /// The name of the tab, and what a screen reader says first.
    pub title: &'a str,
    /// The one sentence that somebody in a hurry reads.
    pub heading: &'a str,
    /// What happened, in words for the person who is here, not for the one who runs the bridge.
    pub explanation: &'a str,
    /// What to do, in order. None is fine.
    pub advice: &'a [&'a str],
    /// The way on, where there is one.
    pub action: Option<Action<'a>>,
    /// A number that is also in the log.
    pub reference: Option<&'a str>,
}

/// A link that looks like a button; its element has the id `continue`.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// Where it leads. Escaped, but not judged: it must be an address that the bridge made itself.
    pub href: &'a str,
    /// What happens there: "Start again".
    pub label: &'a str,
}

impl Message<'_> {
    /// The whole document, as UTF-8 for `text/html`. Everything in it is escaped.
    #[must_use]
    pub fn render(&self) -> String {
        Page { message: self }.to_string()
    }
}

#[derive(Template)]
#[template(path = "pages/message.html")]
struct Page<'a> {
    message: &'a Message<'a>,
}

#[cfg(test)]
mod tests;
