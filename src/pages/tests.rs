use super::{Action, Message, STYLESHEET};

const QUIET: Message<'_> = Message {
    stylesheet: "/assets/style.css",
    title: "This login has expired",
    heading: "This login has expired",
    explanation: "It was begun more than ten minutes ago.",
    advice: &[],
    action: None,
    alternative: None,
    reference: None,
};

#[test]
fn a_page_says_only_what_it_was_given() {
    let page = QUIET.render();
    assert!(page.starts_with("<!doctype html>"));
    assert!(page.contains("<h1>This login has expired</h1>"));
    assert!(page.contains(r#"href="/assets/style.css""#));
    for absent in ["What you can do", "id=\"continue\"", "reference"] {
        assert!(!page.contains(absent), "{absent} in {page}");
    }
}

#[test]
fn advice_keeps_its_order_and_a_single_piece_is_no_list() {
    let many = Message {
        advice: &["Go back", "Log in again"],
        ..QUIET
    }
    .render();
    let first = many.find("<li>Go back</li>").expect("the first is listed");
    let second = many
        .find("<li>Log in again</li>")
        .expect("the second is listed");
    assert!(first < second);

    let one = Message {
        advice: &["Go back"],
        ..QUIET
    }
    .render();
    assert!(one.contains("<p>Go back</p>") && !one.contains("<ol"));
}

#[test]
fn the_way_on_and_the_reference_can_be_found() {
    let page = Message {
        action: Some(Action::Link {
            href: "/authorize?a=1&b=2",
            label: "Start again",
        }),
        reference: Some("7Q4K-19ZD"),
        ..QUIET
    }
    .render();
    assert!(page.contains(r#"id="continue" href="/authorize?a=1&#38;b=2">Start again</a>"#));
    assert!(page.contains("<code>7Q4K-19ZD</code>"));
}

#[test]
fn nothing_that_it_is_given_becomes_markup() {
    let evil = r#""><script>alert('x')</script>"#;
    let page = Message {
        stylesheet: evil,
        title: evil,
        heading: evil,
        explanation: evil,
        advice: &[evil, evil],
        action: Some(Action::Link {
            href: evil,
            label: evil,
        }),
        alternative: Some(Action::Form {
            action: evil,
            fields: &[(evil, evil)],
            label: evil,
        }),
        reference: Some(evil),
    }
    .render();
    assert!(!page.contains("<script") && !page.contains("\"><script"));
}

#[test]
fn a_page_needs_neither_script_nor_inline_style() {
    let page = QUIET.render();
    assert!(!page.contains("<script") && !page.contains("style=\"") && !page.contains("<style"));
    assert!(STYLESHEET.len() < 8 * 1024, "{} bytes", STYLESHEET.len());
    assert!(!STYLESHEET.contains("url(") && !STYLESHEET.contains("@import"));
}
