//! The HTML that people see: one calm page that says what happened and how to go on.
//! Never knows: why it is shown. Clients, logins and error codes stay in `provider`.
//! Standards: WCAG 2.2 AA; OpenID Connect Core 1.0 section 3.1.2.6 for when a page is all that is left; OAuth 2.0 Form
//! Post Response Mode.

use askama::Template;

/// The look of every page, to be served at the address that [`Message::stylesheet`] names.
///
/// Pages hold neither inline script nor inline style, so `style-src 'self'` is all that most of them need.
pub const STYLESHEET: &str = include_str!("style.css");

/// What posts the form of [`FormPost`] by itself, to be served at the address that [`FormPost::script`] names.
pub const FORM_POST_SCRIPT: &str = include_str!("form-post.js");

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
    /// Another way, less prominent.
    pub alternative: Option<Action<'a>>,
    /// A number that is also in the log.
    pub reference: Option<&'a str>,
}

/// What a person can do on a page. The first on a page has an element with the id `continue`.
///
/// Addresses are escaped, but not judged: they must be ones that the bridge made or checked itself.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// A link that looks like a button.
    Link {
        /// Where it leads.
        href: &'a str,
        /// What happens there: "Start again".
        label: &'a str,
    },
    /// A button that sends a form.
    Form {
        /// Where to.
        action: &'a str,
        /// Names and values that go with it.
        fields: &'a [(&'a str, &'a str)],
        /// What happens then: "Sign out".
        label: &'a str,
    },
}

impl Message<'_> {
    /// The whole document, as UTF-8 for `text/html`. Everything in it is escaped.
    #[must_use]
    pub fn render(&self) -> String {
        MessagePage { message: self }.to_string()
    }
}

#[derive(Template)]
#[template(path = "pages/message.html")]
struct MessagePage<'a> {
    message: &'a Message<'a>,
}

/// A page that hands an answer to an app: by itself where scripts run, else by its one button.
#[derive(Clone, Copy, Debug)]
pub struct FormPost<'a> {
    /// Where the browser finds [`STYLESHEET`].
    pub stylesheet: &'a str,
    /// Where the browser finds [`FORM_POST_SCRIPT`].
    pub script: &'a str,
    /// Where the form goes.
    pub action: &'a str,
    /// Names and values.
    pub fields: &'a [(&'static str, String)],
}

impl FormPost<'_> {
    /// The whole document, as UTF-8 for `text/html`. Everything in it is escaped.
    #[must_use]
    pub fn render(&self) -> String {
        FormPostPage { page: self }.to_string()
    }
}

#[derive(Template)]
#[template(path = "pages/form_post.html")]
struct FormPostPage<'a> {
    page: &'a FormPost<'a>,
}

#[cfg(test)]
mod tests;
