//! A person's browser at the level of HTTP: it keeps cookies and follows redirects one by one, so that a test can
//! stop, change or repeat any of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, redirect};
use serde_json::Value;

/// What came back.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body as text.
    pub(crate) body: String,
}

impl Answer {
    /// Where it redirects to.
    pub(crate) fn location(&self) -> &str {
        let location = self.headers.get(LOCATION);
        location
            .unwrap_or_else(|| panic!("no redirect but {}: {}", self.status, self.body))
            .to_str()
            .unwrap()
    }

    /// One header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("no JSON but {}: {}", self.status, self.body))
    }

    /// What the one button of a page does.
    pub(crate) fn button(&self) -> Button {
        assert_eq!(
            self.body.matches(" id=\"continue\"").count(),
            1,
            "one button: {}",
            self.body
        );
        let (before, after) = self.body.split_once(" id=\"continue\"").unwrap();
        if before.ends_with("<a class=\"button\"") {
            return Button::Link(attribute(after, "href"));
        }
        let (_, form) = before.rsplit_once("<form ").unwrap();
        let fields = form.split("<input ").skip(1);
        Button::Form(Form {
            action: attribute(form, "action"),
            fields: fields
                .map(|field| (attribute(field, "name"), attribute(field, "value")))
                .collect(),
        })
    }

    /// Where the other way leads that a page offers below its button.
    pub(crate) fn alternative(&self) -> String {
        let (_, link) = self
            .body
            .split_once("<p class=\"alternative\"><a ")
            .unwrap_or_else(|| panic!("no other way: {}", self.body));
        attribute(link, "href")
    }

    /// The form that the one button of a page sends.
    pub(crate) fn form(&self) -> Form {
        match self.button() {
            Button::Form(form) => form,
            Button::Link(href) => panic!("a link to {href} instead of a form"),
        }
    }
}

/// What the one button of a page does.
#[derive(Debug)]
pub(crate) enum Button {
    /// It leads there.
    Link(String),
    /// It sends a form.
    Form(Form),
}

/// A form of a page, unescaped as a browser reads it.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// Where it goes.
    pub(crate) action: String,
    /// Names and values.
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(own, _)| own == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The fields, as [`Visitor::post`] takes them.
    pub(crate) fn pairs(&self) -> Vec<(&str, &str)> {
        let fields = self.fields.iter();
        fields
            .map(|(name, value)| (&name[..], &value[..]))
            .collect()
    }
}

/// An attribute in the rest of a tag. Our pages write entities by number.
fn attribute(tag: &str, name: &str) -> String {
    let (_, value) = tag
        .split_once(&format!("{name}=\""))
        .unwrap_or_else(|| panic!("no {name} in {tag}"));
    let value = value.split('"').next().unwrap();
    let mut parts = value.split("&#");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once(';').unwrap();
        text.extend(char::from_u32(code.parse().unwrap()));
        text.push_str(rest);
    }
    text
}

/// Made once, for it reads the system's certificates. It keeps no connection: each test has a runtime of its own.
static HTTP: LazyLock<Client> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
});

/// A browser without pages: cookies (which know no ports), GET and form POST.
pub(crate) struct Visitor {
    http: Client,
    /// Cookies by name, for the host 127.0.0.1 that everything of a test runs on.
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// A browser without cookies.
    pub(crate) fn new() -> Self {
        Self {
            http: HTTP.clone(),
            cookies: BTreeMap::new(),
        }
    }

    /// Visits an address.
    pub(crate) async fn get(&mut self, url: &str) -> Answer {
        self.send(Method::GET, url, &[], None).await
    }

    /// Sends a form.
    pub(crate) async fn post(&mut self, url: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, url, &[], Some(form)).await
    }

    /// Sends anything.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        form: Option<&[(&str, &str)]>,
    ) -> Answer {
        let request = self.http.request(method, url);
        let request = match form {
            Some(form) => request.form(form),
            None => request,
        };
        self.dispatch(request, headers).await
    }

    /// Sends a body of any kind; its media type is one of the headers.
    pub(crate) async fn send_body(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let request = self.http.request(method, url).body(body.to_owned());
        self.dispatch(request, headers).await
    }

    /// Presses the one button of a page of this bridge.
    pub(crate) async fn press(&mut self, page: &Answer, bridge: &str) -> Answer {
        let at = url::Url::parse(bridge).unwrap();
        match page.button() {
            Button::Link(href) => self.get(at.join(&href).unwrap().as_str()).await,
            Button::Form(form) => {
                let action = at.join(&form.action).unwrap();
                self.post(action.as_str(), &form.pairs()).await
            }
        }
    }

    async fn dispatch(&mut self, mut request: RequestBuilder, headers: &[(&str, &str)]) -> Answer {
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        Answer {
            status,
            headers,
            body: response.text().await.unwrap(),
        }
    }

    /// Visits an address and follows redirects until one leads away from this machine: the relying party's, which
    /// is not visited. A page ends the walk too.
    pub(crate) async fn walk(&mut self, url: &str) -> Walk {
        let mut url = url.to_owned();
        for _ in 0..10 {
            let answer = self.get(&url).await;
            if !(300..400).contains(&answer.status) {
                return Walk::Page(answer);
            }
            answer.location().clone_into(&mut url);
            if !url.starts_with("http://127.0.0.1:") {
                return Walk::RelyingParty(Returned::parse(&url));
            }
        }
        panic!("redirected in circles: {url}");
    }

    /// Goes to sgID and back, up to the address of our callback, which is not visited.
    pub(crate) async fn up_to_callback(&mut self, url: &str) -> String {
        let begun = self.get(url).await;
        self.get(begun.location()).await.location().to_owned()
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// Where a walk ended.
pub(crate) enum Walk {
    /// At the relying party's redirect URI.
    RelyingParty(Returned),
    /// At a page.
    Page(Answer),
}

impl Walk {
    /// What the relying party received.
    pub(crate) fn returned(self) -> Returned {
        match self {
            Self::RelyingParty(returned) => returned,
            Self::Page(page) => {
                panic!("a page instead of a return, {}: {}", page.status, page.body)
            }
        }
    }

    /// The page that the person saw.
    pub(crate) fn page(self) -> Answer {
        match self {
            Self::Page(page) => page,
            Self::RelyingParty(returned) => {
                panic!("returned to {} instead of a page", returned.url)
            }
        }
    }
}

/// What arrives at a redirect URI.
#[derive(Debug)]
pub(crate) struct Returned {
    /// The whole URL.
    pub(crate) url: String,
    parameters: BTreeMap<String, String>,
}

impl Returned {
    /// Takes a redirect URI with its parameters apart.
    pub(crate) fn parse(url: &str) -> Self {
        let parsed = url::Url::parse(url).unwrap();
        Self::of(url, parsed.query_pairs().into_owned())
    }

    /// The same for one whose parameters are in the fragment.
    pub(crate) fn parse_fragment(url: &str) -> Self {
        let (_, fragment) = url
            .split_once('#')
            .unwrap_or_else(|| panic!("no fragment in {url}"));
        let parameters = url::form_urlencoded::parse(fragment.as_bytes());
        Self::of(url, parameters.into_owned())
    }

    /// What a form hands over that a page posts.
    pub(crate) fn of_form(form: Form) -> Self {
        Self::of(&form.action, form.fields)
    }

    fn of(url: &str, pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            assert!(
                parameters.insert(name.clone(), value).is_none(),
                "{name} occurs twice in {url}"
            );
        }
        Self {
            url: url.to_owned(),
            parameters,
        }
    }

    /// A parameter of the response.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The names of all parameters, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.parameters.keys().map(String::as_str).collect()
    }

    /// The authorization code.
    pub(crate) fn code(&self) -> &str {
        self.get("code")
            .unwrap_or_else(|| panic!("no code in {}", self.url))
    }

    /// The error code.
    pub(crate) fn error(&self) -> &str {
        self.get("error")
            .unwrap_or_else(|| panic!("no error in {}", self.url))
    }
}
